/** A panel in its frame: title, menu, the last good picture, and what went wrong. */
import {
  compareArrayValues,
  compareDataFrameStructures,
  dateTimeFormat,
  type DataFrame,
  EventBusSrv,
  type Field,
  FieldType,
  type InterpolateFunction,
  LoadingState,
  toCSV,
} from '@grafana/data';
import { Menu, PanelChrome, PanelContextProvider, useTheme2 } from '@grafana/ui';
import { Component, type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { configured } from './fields';
import { fill, type Format, type Scope } from './formats';
import { besides, drawing, still } from './panels';
import { usePrinting } from './print';
import { type Beat, FRESHNESS, usePanelData } from './query';
import type { BoardLink, Panel, QueryState } from './types';
import { setSearch } from './url';

interface Props {
  panel: Panel;
  scope: Scope;
  beat: Beat;
  width: number;
  height: number;
  /** Called with each answer, and with none while the panel is out of sight and asks nothing. */
  onData: (key: string, state?: QueryState) => void;
}

export function PanelFrame({ panel, scope, beat, width, height, onData }: Props) {
  const theme = useTheme2();
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(box);
  const active = usePrinting() || seen;
  const state = usePanelData({ panel, scope, beat, width, active: active && !still(panel.type) });
  const replaceVariables = useReplace(panel, scope);
  const shown = useMemo(() => {
    const drawn = state.frames.filter((f) => f.refId !== FRESHNESS || panel.targets?.length === 1);
    return configured(drawn, panel, theme, scope.timeZone, replaceVariables);
    // A new set of variables brings new frames with it; links are filled when they are clicked.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [state.frames, panel, theme, scope.timeZone]);
  const structureRev = useStructureRev(shown);
  const renderCounter = useCount(shown);
  const key = panel.key ?? String(panel.id);
  useEffect(() => onData(key, active ? state : undefined), [state, key, active, onData]);
  useEffect(() => () => onData(key), [key, onData]);

  const Drawing = drawing(panel.type);
  const title = replaceVariables(panel.title ?? '', {}, 'text');
  const fatal = state.error && !(state.away && state.frames.length) ? state.error : undefined;
  const complete = useBesides(panel, active);
  const waiting = !complete || (state.loading && !state.frames.length && !still(panel.type) && !state.at);
  return (
    <div ref={box} className="gulou-panel" data-panel-id={panel.id} data-panel-type={panel.type} data-transparent={panel.transparent || undefined} data-state={stateName(state, waiting, panel)}>
      <PanelContextProvider value={CONTEXT}>
        <PanelChrome
          width={width}
          height={height}
          title={title}
          description={panel.description ? replaceVariables(panel.description) : undefined}
          displayMode={panel.transparent ? 'transparent' : 'default'}
          hoverHeader={!title}
          padding={panel.type === 'table' ? 'none' : 'md'}
          loadingState={waiting ? LoadingState.Loading : undefined}
          statusMessage={state.error}
          titleItems={<Notices state={state} zone={scope.timeZone} links={panel.links} replaceVariables={replaceVariables} />}
          menu={() => <PanelMenu panel={panel} title={title} frames={shown} state={state} />}
        >
          {(innerWidth, innerHeight) =>
            fatal ? (
              <div className="gulou-error" role="alert" style={{ width: innerWidth, height: innerHeight }}>
                {fatal}
              </div>
            ) : waiting ? (
              <></>
            ) : (
              <Guard key={panel.type} name={panel.type}>
                <Drawing
                  panel={panel}
                  frames={shown}
                  width={innerWidth}
                  height={innerHeight}
                  range={state.range}
                  timeZone={scope.timeZone}
                  structureRev={structureRev}
                  renderCounter={renderCounter}
                  replaceVariables={replaceVariables}
                  onZoom={zoom}
                />
              </Guard>
            )
          }
        </PanelChrome>
      </PanelContextProvider>
    </div>
  );
}

const CONTEXT = { eventBus: new EventBusSrv(), eventsScope: 'board', canAddAnnotations: () => false };

function stateName(state: QueryState, waiting: boolean, panel: Panel): string {
  if (state.error) {
    return state.away ? 'away' : 'error';
  }
  return waiting ? 'waiting' : still(panel.type) || state.at ? 'done' : 'waiting';
}

function zoom({ from, to }: { from: number; to: number }): void {
  setSearch({ from: String(Math.round(from)), to: String(Math.round(to)) });
}

/** Whether the panel is, or soon will be, in sight; without that, long boards would ask for everything. */
function useSeen(box: React.RefObject<HTMLDivElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const watcher = new IntersectionObserver((entries) => setSeen(entries.some((e) => e.isIntersecting)), {
      rootMargin: '300px',
    });
    watcher.observe(box.current as HTMLDivElement);
    return () => watcher.disconnect();
  }, [box]);
  return seen;
}

/** Whether what the panel draws besides its data is loaded, or failed to load; it is fetched with the data, not after. */
function useBesides(panel: Panel, active: boolean): boolean {
  const [complete, setComplete] = useState(!besides(panel.type));
  useEffect(() => {
    let current = active;
    // The drawing shows a failure.
    const done = () => current && setComplete(true);
    if (active) {
      void besides(panel.type)?.(panel).then(done, done);
    }
    return () => {
      current = false;
    };
  }, [panel, active]);
  return complete;
}

function useReplace(panel: Panel, scope: Scope): InterpolateFunction {
  const latest = useRef(scope);
  latest.current = scope;
  return useMemo(
    () => (text, vars, format) => fill(text, latest.current, { ...panel.scoped, ...vars }, format as Format),
    // A new identity when variables or the range change, so that titles and texts are filled again.
    // The instants are compared, not the range: every refresh makes a new range object.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [panel, scope.variables, scope.range.from.valueOf(), scope.range.to.valueOf()]
  );
}

/** How often `value` has changed. */
function useCount(value: unknown): number {
  const held = useRef({ value, count: 0 });
  if (held.current.value !== value) {
    held.current = { value, count: held.current.count + 1 };
  }
  return held.current.count;
}

function useStructureRev(frames: DataFrame[]): number {
  const held = useRef({ frames, rev: 1 });
  if (held.current.frames !== frames) {
    const same = compareArrayValues(frames, held.current.frames, compareDataFrameStructures);
    held.current = { frames, rev: same ? held.current.rev : held.current.rev + 1 };
  }
  return held.current.rev;
}

function Notices({ state, zone, links, replaceVariables }: { state: QueryState; zone: string; links?: BoardLink[]; replaceVariables: InterpolateFunction }) {
  return (
    <>
      {state.notices.map((text) => (
        <span key={text} className="gulou-notice" title={text}>
          {text}
        </span>
      ))}
      {state.away && state.at && (
        <span className="gulou-notice" role="status">
          {dateTimeFormat(state.at, { timeZone: zone, format: 'HH:mm:ss' })} 的数据
        </span>
      )}
      {(links ?? []).map((link) => (
        <a key={link.url} className="gulou-panel-link" href={replaceVariables(link.url ?? '', {}, 'uriencode')} target={link.targetBlank ? '_blank' : undefined} rel="noreferrer">
          {replaceVariables(link.title ?? '')}
        </a>
      ))}
    </>
  );
}

function PanelMenu({ panel, title, frames, state }: { panel: Panel; title: string; frames: DataFrame[]; state: QueryState }) {
  const single = new URLSearchParams(window.location.search).has('viewPanel');
  return (
    <Menu>
      <Menu.Item label={single ? '返回看板' : '放大'} icon={single ? 'apps' : 'eye'} onClick={() => setSearch({ viewPanel: single ? undefined : String(panel.id) })} />
      <Menu.Item label="下载 CSV" icon="download-alt" disabled={!frames.length} onClick={() => download(`${title || panel.type}.csv`, csvOf(frames))} />
      <Menu.Item label="复制 SQL" icon="copy" disabled={!state.sql.length} onClick={() => void navigator.clipboard?.writeText(state.sql.join(';\n\n'))} />
    </Menu>
  );
}

/** The panel's frames as CSV with a byte order mark: without it Excel garbles Chinese. */
export function csvOf(frames: DataFrame[]): string {
  const safe = frames.map((frame) => ({ ...frame, fields: frame.fields.map(plain) }));
  return '\ufeff' + toCSV(safe, { useExcelHeader: false });
}

/** A field as a spreadsheet wants it: bare numbers, times people can read, no formulas. */
function plain(field: Field): Field {
  if (field.type === FieldType.time) {
    const values = field.values.map((v) => (v == null ? v : dateTimeFormat(v, { format: 'YYYY-MM-DD HH:mm:ss' })));
    return { ...field, type: FieldType.string, display: undefined, values };
  }
  return { ...field, display: undefined, values: field.values.map((v) => (typeof v === 'string' ? defused(v) : v)) };
}

/** A cell that a spreadsheet would run as a formula is made plain text. */
const defused = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // Freed later: some browsers lose the file when the URL is freed at once.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** One panel that cannot be drawn must not break the whole board. */
class Guard extends Component<{ name: string; children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (this.state.error) {
      return (
        <div className="gulou-error" role="alert">
          面板 {this.props.name} 无法绘制：{this.state.error.message}
        </div>
      );
    }
    return this.props.children;
  }
}
