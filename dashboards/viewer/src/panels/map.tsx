/** A map of outlines and markers; nothing is asked from the internet. */
import { type DataFrame, type Field, FieldType, getFieldDisplayName } from '@grafana/data';
import { useEffect, useMemo, useState } from 'react';
import { displayed } from '../fields';
import { Chart, type ChartOption, echarts, escaped, textStyle, tooltip, useChartTheme } from './chart';
import type { Panel } from '../types';
import type { PanelProps } from './types';
import { clickLink } from './values';

interface Layer {
  type?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  config?: any;
  location?: { mode?: string; latitude?: string; longitude?: string };
  name?: string;
}

interface Outline {
  properties: { name: string; code?: string; cp?: [number, number] };
  geometry: { coordinates: unknown };
}

const asked = new Map<string, Promise<Outline[]>>();
/** Outlines that are there, by their address: they stay registered for all maps. */
const there = new Map<string, Outline[]>();

function outlines(path: string): Promise<Outline[]> {
  let found = asked.get(path);
  if (!path) {
    return Promise.reject(new Error('这张地图没有轮廓文件'));
  }
  if (!found) {
    found = fetch(path, { credentials: 'same-origin' }).then(async (response) => {
      if (!response.ok) {
        throw new Error(`地图 ${path}: HTTP ${response.status}`);
      }
      const geo = await response.json();
      echarts.registerMap(path, geo);
      there.set(path, geo.features);
      return geo.features;
    });
    found.catch(() => asked.delete(path));
    asked.set(path, found);
  }
  return found;
}

const layersOf = (panel: Panel): Layer[] => panel.options?.layers ?? [];

function sourceOf(layers: Layer[]): string {
  const src: string | undefined = layers.find((l) => l.type === 'geojson')?.config?.src;
  if (!src) {
    return '';
  }
  // Grafana reads `public/…` from its own folder; here it is this server's.
  return /^(https?:)?\//.test(src) ? src : `/${src}`;
}

/** What a map draws besides its data. */
export const outlinesOf = (panel: Panel): Promise<Outline[]> => outlines(sourceOf(layersOf(panel)));

const byName = (frame: DataFrame, name: string | undefined): Field | undefined =>
  name ? frame.fields.find((f) => f.name === name || getFieldDisplayName(f, frame) === name) : undefined;

const guess = (frame: DataFrame, pattern: RegExp): Field | undefined => frame.fields.find((f) => pattern.test(f.name));

interface Point {
  row: number;
  name: string;
  at: [number, number];
  value: unknown;
  text: string;
  color: string;
  size: number;
}

export function MapPanel(props: PanelProps) {
  const { panel, frames, width, height } = props;
  const theme = useChartTheme();
  const layers = layersOf(panel);
  const path = sourceOf(layers);
  const [shapes, setShapes] = useState(there.get(path));
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let current = true;
    outlines(path)
      .then((features) => current && setShapes(features))
      .catch((error: Error) => current && setProblem(error.message));
    return () => {
      current = false;
    };
  }, [path]);
  const frame = frames[0];
  const markers = layers.find((l) => l.type === 'markers') ?? {};
  const style = markers.config?.style ?? {};
  const sizeField = frame && (byName(frame, style.size?.field) ?? frame.fields.find((f) => f.type === FieldType.number && !/lat|lon|lng|经度|纬度/i.test(f.name)));
  const points = useMemo<Point[]>(() => {
    if (!frame || !sizeField) {
      return [];
    }
    const lat = byName(frame, markers.location?.latitude) ?? guess(frame, /^(lat|latitude|纬度)$/i);
    const lon = byName(frame, markers.location?.longitude) ?? guess(frame, /^(lon|lng|longitude|经度)$/i);
    const colorField = byName(frame, style.color?.field) ?? sizeField;
    const label = byName(frame, style.text?.field) ?? frame.fields.find((f) => f.type === FieldType.string && /name|名/i.test(f.name)) ?? frame.fields.find((f) => f.type === FieldType.string);
    const numbers = sizeField.values.filter((value) => value !== null).map(Number).filter(Number.isFinite);
    const low = Math.min(...numbers);
    const high = Math.max(...numbers);
    const least = style.size?.min ?? 6;
    const most = style.size?.max ?? 22;
    return Array.from({ length: frame.length }, (_, row) => {
      const name = label ? displayed(label, label.values[row]) : '';
      const own = shapes?.find((s) => s.properties.name === name)?.properties.cp;
      const at: [number, number] = [Number(lon?.values[row] ?? own?.[0]), Number(lat?.values[row] ?? own?.[1])];
      const value = sizeField.values[row];
      const share = high > low ? (Number(value) - low) / (high - low) : 0.5;
      return { row, name, at, value, text: displayed(colorField, colorField.values[row]), color: colorField.display?.(colorField.values[row]).color ?? theme.colors.primary.main, size: least + (most - least) * Math.sqrt(Math.max(share, 0)) };
    }).filter((p) => Number.isFinite(p.at[0]) && Number.isFinite(p.at[1]));
  }, [frame, sizeField, markers.location, style, shapes, theme]);
  const option = useMemo<ChartOption | undefined>(
    () => shapes && mapOption(path, shapes, points, frame, width, height, theme),
    [shapes, path, points, frame, width, height, theme]
  );
  if (problem) {
    return <div className="gulou-empty">{problem}</div>;
  }
  if (!option) {
    return null;
  }
  const linked = frame?.fields.find((f) => f.config.links?.length);
  const follow = (event: { name: string; data: unknown }) => {
    const point = (event.data as { point?: Point } | undefined)?.point ?? points.find((p) => p.name === event.name);
    const link = point && linked?.getLinks?.({ valueRowIndex: point.row })[0];
    if (link) {
      clickLink(link);
    }
  };
  return <Chart option={option} width={width} height={height} label={panel.title ?? '地图'} onClick={linked ? follow : undefined} />;
}

function mapOption(path: string, shapes: Outline[], points: Point[], frame: DataFrame | undefined, width: number, height: number, theme: ReturnType<typeof useChartTheme>): ChartOption {
  const dark = theme.isDark;
  const big = Math.min(width, height) > 260;
  // The counties around the city's seat lie close: two lines each need room, or they cover another.
  const roomy = Math.min(width, height) > 420;
  return {
    tooltip: {
      ...tooltip(theme),
      formatter: (p: { name: string; data?: { point?: Point } }) => {
        const point = p.data?.point ?? points.find((x) => x.name === p.name);
        if (!point || !frame) {
          return escaped(p.name);
        }
        const rows = frame.fields
          .filter((f) => f.type === FieldType.number && !/^(lat|latitude|lon|lng|longitude)$/i.test(f.name))
          .map((f) => `${escaped(getFieldDisplayName(f, frame))} <b>${escaped(displayed(f, f.values[point.row]))}</b>`);
        return [`<b>${escaped(point.name)}</b>`, ...rows].join('<br/>');
      },
    },
    geo: {
      map: path,
      roam: false,
      top: 8,
      bottom: 8,
      left: 8,
      right: 8,
      // The largest picture that fits; without it the map is stretched to the panel.
      preserveAspect: 'contain',
      aspectScale: narrowing(shapes),
      itemStyle: {
        areaColor: dark ? '#12233f' : '#e6edf8',
        borderColor: dark ? '#4f7fd0' : '#7f9ccc',
        borderWidth: 1,
        shadowColor: dark ? 'rgba(40, 110, 230, 0.35)' : 'transparent',
        shadowBlur: 12,
      },
      emphasis: { itemStyle: { areaColor: dark ? '#1e3a6b' : '#cfdff7' }, label: { show: false } },
      label: { show: false },
      regions: points.filter((p) => p.name).map((p) => ({ name: p.name, itemStyle: { areaColor: shade(p.color, dark ? 0.34 : 0.3) }, emphasis: { itemStyle: { areaColor: shade(p.color, 0.55) } } })),
    },
    series: [
      {
        type: 'scatter',
        coordinateSystem: 'geo',
        zlevel: 1,
        data: points.map((p) => ({ name: p.name, value: p.at, symbolSize: p.size, point: p, itemStyle: { color: p.color, borderColor: dark ? '#ffffff' : '#14213d', borderWidth: 1, opacity: 0.95 } })),
        label: {
          show: big,
          position: 'right',
          distance: 6,
          ...textStyle(theme),
          fontSize: 13,
          lineHeight: 17,
          textBorderColor: theme.colors.background.primary,
          textBorderWidth: 3,
          formatter: (p: { data: { point: Point } }) => `${short(p.data.point.name)}${roomy ? `\n${p.data.point.text}` : ''}`,
        },
        labelLayout: { hideOverlap: false, moveOverlap: 'shiftY' },
      },
    ],
  };
}

/** How much shorter a degree of longitude is than one of latitude in the middle of the outlines. */
function narrowing(shapes: Outline[]): number {
  const all = shapes.flatMap((shape) => latitudes(shape.geometry.coordinates));
  const [low, high] = all.reduce(([least, most], y) => [Math.min(least, y), Math.max(most, y)], [90, -90]);
  return all.length ? Math.cos(((low + high) / 2) * (Math.PI / 180)) : 1;
}

/** Of rings of points, however deep they lie. */
function latitudes(coordinates: unknown): number[] {
  if (!Array.isArray(coordinates)) {
    return [];
  }
  return typeof coordinates[0] === 'number' ? [Number(coordinates[1])] : coordinates.flatMap(latitudes);
}

/** A county as its neighbours call it: a label has little room. */
const short = (name: string): string => name.replace(/^.+市(?=.+区$)/, '').replace(/(苗族侗族|侗族|苗族)?自治县$/, '');

function shade(color: string, alpha: number): string {
  const rgb = echarts.color.parse(color);
  return rgb ? `rgba(${rgb[0]}, ${rgb[1]}, ${rgb[2]}, ${alpha})` : color;
}
