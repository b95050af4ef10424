/** A panel's frames with its field settings applied, as Grafana's panels receive them. */
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  type DataFrame,
  type DataTransformerConfig,
  displayNameOverrideProcessor,
  type Field,
  FieldConfigOptionsRegistry,
  type FieldConfigPropertyItem,
  type FieldConfigSource,
  type GrafanaTheme2,
  type InterpolateFunction,
  numberOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  type ThresholdsConfig,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import { inked } from './theme';
import type { Panel } from './types';

const STANDARD = [
  'displayName', 'unit', 'min', 'max', 'decimals', 'noValue', 'thresholds', 'mappings', 'links', 'color',
  'filterable', 'fieldMinMax', 'description', 'actions',
];

/** What Grafana does to a setting before it is used. */
const PROCESS: Record<string, unknown> = {
  displayName: displayNameOverrideProcessor,
  noValue: stringOverrideProcessor,
  min: numberOverrideProcessor,
  max: numberOverrideProcessor,
  decimals: numberOverrideProcessor,
};

/** Settings of the panels themselves where a board leaves them out. */
const CUSTOM_DEFAULTS: Record<string, Record<string, unknown>> = {
  timeseries: { lineWidth: 1, fillOpacity: 0, showPoints: 'auto', pointSize: 5, axisGridShow: true, spanNulls: false },
  barchart: { fillOpacity: 80, lineWidth: 1 },
  table: { cellOptions: { type: 'auto' }, align: 'auto' },
};

/**
 * Takes every setting a board may carry.
 *
 * Grafana fills this registry from each panel plugin's editor; without an editor there is nothing
 * to check a setting against, so all are taken as they stand.
 */
class OpenRegistry extends FieldConfigOptionsRegistry {
  constructor(private readonly custom: string[]) {
    super(() => []);
  }

  override list(): FieldConfigPropertyItem[] {
    return [...STANDARD.map((id) => item(id)), ...this.custom.map((key) => item(`custom.${key}`))];
  }

  override getIfExists(id: string | undefined): FieldConfigPropertyItem | undefined {
    return id ? item(id) : undefined;
  }
}

function item(id: string): FieldConfigPropertyItem {
  const isCustom = id.startsWith('custom.');
  const process = PROCESS[id] ?? ((value: unknown) => value);
  const found = {
    id,
    path: isCustom ? id.slice('custom.'.length) : id,
    isCustom,
    name: id,
    settings: { expandTemplateVars: true },
    override: () => null,
    editor: () => null,
    process,
    shouldApply: () => true,
  };
  return found as unknown as FieldConfigPropertyItem;
}

const NOTHING: FieldConfigSource = { defaults: {}, overrides: [] };

const twins = new WeakMap<FieldConfigSource, Map<string, FieldConfigSource>>();

/**
 * A panel's settings with every colour that a value may be written in made readable in the theme.
 *
 * Boards are written for dark walls; here, once for all panels, they become right for light paper.
 */
function coloured(given: FieldConfigSource, theme: GrafanaTheme2): FieldConfigSource {
  const known = twins.get(given) ?? new Map<string, FieldConfigSource>();
  twins.set(given, known);
  let found = known.get(theme.name);
  if (!found) {
    found = recoloured(given, theme) as FieldConfigSource;
    known.set(theme.name, found);
  }
  return found;
}

/** Thresholds and mappings have `color`, a fixed colour `fixedColor`; an object below is a setting. */
function recoloured(value: unknown, theme: GrafanaTheme2): unknown {
  if (Array.isArray(value)) {
    return value.map((each) => recoloured(each, theme));
  }
  if (!value || typeof value !== 'object') {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === 'string' && (key === 'color' || key === 'fixedColor') ? inked(inner, theme) : recoloured(inner, theme),
    ])
  );
}

export function configured(
  frames: DataFrame[],
  panel: Panel,
  theme: GrafanaTheme2,
  timeZone: string,
  replaceVariables: InterpolateFunction
): DataFrame[] {
  const given = coloured(panel.fieldConfig ?? NOTHING, theme);
  const custom = { ...CUSTOM_DEFAULTS[panel.type], ...given.defaults?.custom };
  const defaults: FieldConfigSource['defaults'] = { ...given.defaults, custom };
  // As in Grafana: a number without a chosen colour is coloured by its thresholds or its place.
  defaults.color ??= { mode: panel.type === 'timeseries' || panel.type === 'piechart' ? 'palette-classic' : 'thresholds' };
  defaults.thresholds ??= { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }] } as unknown as ThresholdsConfig;
  const fieldConfig: FieldConfigSource = { defaults, overrides: given.overrides ?? [] };
  const fieldConfigRegistry = new OpenRegistry(Object.keys(custom));
  const made = applyFieldOverrides({ data: frames, fieldConfig, fieldConfigRegistry, replaceVariables, theme, timeZone });
  cacheFieldDisplayNames(made); // Tables and legends read the name that is kept here.
  return made;
}

export function registerTransformers(): void {
  // Some are exported under an old name too, and a registry refuses an id it has.
  const known = new Map(Object.values(standardTransformers).map((transformer) => [transformer.id, transformer]));
  standardTransformersRegistry.setInit(() =>
    [...known.values()].map((transformer) => ({
      id: transformer.id,
      name: transformer.name,
      transformation: async () => transformer,
      editor: () => null,
      imageDark: '',
      imageLight: '',
    })) as unknown as ReturnType<typeof standardTransformersRegistry.list>
  );
}

export async function transformed(frames: DataFrame[], panel: Panel, interpolate: (text: string) => string): Promise<DataFrame[]> {
  const steps = (panel.transformations ?? []).filter((t) => !t.disabled) as DataTransformerConfig[];
  return steps.length ? lastValueFrom(transformDataFrame(steps, frames, { interpolate })) : frames;
}

export const displayed = (field: Field, value: unknown): string => {
  const shown = field.display?.(value);
  return shown ? `${shown.prefix ?? ''}${shown.text}${shown.suffix ?? ''}` : String(value ?? '');
};

export const colorOf = (field: Field, value: unknown, fallback: string): string => field.display?.(value).color ?? fallback;
