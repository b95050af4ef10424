/** The bar above a board: where one is, what is chosen, which time, how often, how it looks. */
import type { TimeRange } from '@grafana/data';
import { Combobox, Input, MultiCombobox, RefreshPicker, TimeRangePicker, ToolbarButton } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { get } from './api';
import { ALL, fill, type Scope } from './formats';
import type { BoardHit } from './panels/text';
import { printBoard } from './print';
import { themeOf } from './theme';
import { QUICK_RANGES, written } from './time';
import type { BoardLink, BoardModel } from './types';
import { setSearch } from './url';
import type { VariableState } from './variables';

const INTERVALS = ['1s', '5s', '10s', '30s', '1m', '5m', '15m', '30m', '1h'];

interface Props {
  board: BoardModel;
  variables: VariableState[];
  scope?: Scope;
  range: TimeRange;
  zone: string;
  refresh: string;
  onRefresh: () => void;
}

export default function Controls({ board, variables, scope, range, zone, refresh, onRefresh }: Props) {
  const shown = variables.filter((v) => v.model.hide !== 2 && v.model.type !== 'constant');
  return (
    <header className="gulou-controls">
      <div className="gulou-bar">
        <a className="gulou-brand" href="/" aria-label="全部看板">
          <img src="/assets/drum.svg" alt="" width="26" height="26" />
          鼓楼
        </a>
        <h1 title={board.description}>{board.title}</h1>
        <div className="gulou-spacer" />
        {!board.timepicker?.hidden && <Times board={board} range={range} zone={zone} />}
        <RefreshPicker
          value={refresh || undefined}
          intervals={board.timepicker?.refresh_intervals?.length ? board.timepicker.refresh_intervals : INTERVALS}
          onRefresh={onRefresh}
          onIntervalChanged={(interval) => setSearch({ refresh: interval }, true)}
          tooltip="立即刷新"
          isOnCanvas={true}
        />
        <Looks />
      </div>
      {(shown.length > 0 || Boolean(board.links?.length)) && (
        <div className="gulou-bar gulou-variables">
          {shown.map((state) => (
            <Variable key={state.model.name} state={state} />
          ))}
          <div className="gulou-spacer" />
          {scope && (board.links ?? []).map((link, i) => <LinkOf key={i} link={link} scope={scope} />)}
        </div>
      )}
    </header>
  );
}

function Times({ board, range, zone }: { board: BoardModel; range: TimeRange; zone: string }) {
  const choose = (next: TimeRange) => setSearch(written(next));
  const width = range.to.valueOf() - range.from.valueOf();
  const move = (by: number, grow = 0) =>
    setSearch({
      from: String(Math.round(range.from.valueOf() + by * width - grow * width)),
      to: String(Math.round(range.to.valueOf() + by * width + grow * width)),
    });
  const own = board.timepicker?.quick_ranges?.map(({ display, from, to }) => ({ display, from, to }));
  return (
    <TimeRangePicker
      value={range}
      timeZone={zone}
      onChange={choose}
      onChangeTimeZone={() => undefined}
      onMoveBackward={() => move(-0.5)}
      onMoveForward={() => move(0.5)}
      onZoom={() => move(0, 0.5)}
      quickRanges={own?.length ? own : QUICK_RANGES}
      isOnCanvas={true}
      weekStart="monday"
    />
  );
}

function Looks() {
  const theme = themeOf(new URLSearchParams(window.location.search));
  const flip = () => {
    const next = theme === 'dark' ? 'light' : 'dark';
    localStorage.setItem('gulou.theme', next);
    setSearch({ theme: next }, true);
  };
  return (
    <>
      <ToolbarButton variant="canvas" tooltip={theme === 'dark' ? '浅色' : '深色'} aria-label="切换深浅" onClick={flip}>
        {theme === 'dark' ? '☀' : '☾'}
      </ToolbarButton>
      <ToolbarButton variant="canvas" icon="document-info" tooltip="打印" aria-label="打印" onClick={() => void printBoard()} />
      <ToolbarButton variant="canvas" icon="monitor" tooltip="大屏（Esc 退出）" aria-label="大屏" onClick={() => setSearch({ kiosk: '', autofitpanels: undefined })} />
    </>
  );
}

function Variable({ state }: { state: VariableState }) {
  const { model, options, choice, error } = state;
  const set = (value: string | string[]) => setSearch({ [`var-${model.name}`]: value });
  const choices = [...(model.includeAll ? [{ label: '全部', value: ALL }] : []), ...options.map((o) => ({ label: o.text, value: o.value }))];
  const id = `var-${model.name}`;
  return (
    <label className="gulou-variable" htmlFor={id} title={error ?? model.description ?? undefined} data-error={error ? true : undefined}>
      {model.hide !== 1 && <span>{model.label || model.name}</span>}
      {model.type === 'textbox' ? (
        <TextValue id={id} value={String(choice.value)} onChange={set} />
      ) : model.multi ? (
        <MultiCombobox
          id={id}
          options={choices}
          value={[choice.value].flat()}
          width="auto"
          minWidth={18}
          maxWidth={48}
          onChange={(picked) => {
            const before = [choice.value].flat();
            const next = picked.map((p) => p.value);
            // "All" and single values exclude each other; the newer choice wins.
            const alone = next.includes(ALL) && next.length > 1 ? (before.includes(ALL) ? next.filter((v) => v !== ALL) : [ALL]) : next;
            set(alone.length ? alone : model.includeAll ? [ALL] : []);
          }}
        />
      ) : (
        <Combobox
          id={id}
          options={choices}
          value={choices.some((c) => c.value === choice.value) ? String(choice.value) : { label: String(choice.text), value: String(choice.value) }}
          width="auto"
          minWidth={14}
          onChange={(picked) => set(picked.value)}
        />
      )}
    </label>
  );
}

function TextValue({ id, value, onChange }: { id: string; value: string; onChange: (value: string) => void }) {
  // The text being typed: an answer to an earlier value may come meanwhile and must not replace it.
  const [draft, setDraft] = useState<string>();
  useEffect(() => setDraft((old) => (old === value ? undefined : old)), [value]);
  const done = () => draft !== undefined && draft !== value && onChange(draft);
  return (
    <Input
      id={id}
      value={draft ?? value}
      width={20}
      onChange={(e) => setDraft(e.currentTarget.value)}
      onBlur={done}
      onKeyDown={(e) => e.key === 'Enter' && done()}
    />
  );
}

/** A board's link, or one for each board with its tags. */
function LinkOf({ link, scope }: { link: BoardLink; scope: Scope }) {
  const [hits, setHits] = useState<BoardHit[]>([]);
  const tags = (link.tags ?? []).join(',');
  useEffect(() => {
    if (link.type === 'dashboards') {
      const search = new URLSearchParams({ type: 'dash-db' });
      tags.split(',').filter(Boolean).forEach((tag) => search.append('tag', tag));
      get<BoardHit[]>(`/api/search?${search}`).then(setHits, () => undefined);
    }
  }, [link.type, tags]);
  const extra = [link.includeVars ? fill('${__all_variables}', scope) : '', link.keepTime ? fill('${__url_time_range}', scope) : ''].filter(Boolean).join('&');
  const full = (url: string) => (extra ? `${url}${url.includes('?') ? '&' : '?'}${extra}` : url);
  const targets =
    link.type === 'dashboards'
      ? hits.filter((h) => h.uid !== scope.uid).map((h) => ({ title: h.title, url: h.url }))
      : [{ title: fill(link.title ?? '', scope), url: fill(link.url ?? '', scope, {}, 'uriencode') }];
  return (
    <>
      {targets.map((t) => (
        <a key={t.url} className="gulou-link" href={full(t.url)} title={link.tooltip} target={link.targetBlank ? '_blank' : undefined} rel="noreferrer">
          {t.title}
        </a>
      ))}
    </>
  );
}
