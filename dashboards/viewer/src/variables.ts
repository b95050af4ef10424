/** Template variables: their options in the right order, and what is chosen. */
import { rangeUtil, type TimeRange } from '@grafana/data';
import { dataSources, runQueries } from './api';
import { ALL, fill, fillSql, type Scope } from './formats';
import type { BoardModel, Choice, Option, SourceRef, VariableModel } from './types';

export interface VariableState {
  model: VariableModel;
  options: Option[];
  choice: Choice;
  error?: string;
}

const AUTO = '$__auto';

/** The values written in the address as `var-<name>`, by name. */
export function fromAddress(search: URLSearchParams): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [key, value] of search) {
    if (key.startsWith('var-')) {
      (found[key.slice(4)] ??= []).push(value);
    }
  }
  return found;
}

/**
 * Every variable of a board, in the order of their dependence.
 *
 * A value from the address is kept as it is, known or not, as Grafana does: it may be typed by
 * anybody, so a board's SQL must take any text.
 */
export async function resolveVariables(
  board: BoardModel,
  asked: Record<string, string[]>,
  scope: Omit<Scope, 'variables' | 'options'>,
  refreshMs: number,
  signal: AbortSignal
): Promise<VariableState[]> {
  const states = new Map<string, VariableState>();
  const filling: Scope = { ...scope, variables: {}, options: {} };
  for (const model of ordered(board.templating?.list ?? [])) {
    let options: Option[] = [];
    let error: string | undefined;
    try {
      options = await optionsOf(model, filling, refreshMs, signal);
    } catch (failure) {
      if (signal.aborted) {
        throw failure;
      }
      error = failure instanceof Error ? failure.message : String(failure);
      options = kept(model);
    }
    const choice = chosen(model, options, asked[model.name], filling);
    states.set(model.name, { model, options, choice, error });
    filling.variables[model.name] = choice;
    filling.options[model.name] = options.map((o) => o.value);
  }
  // As the board lists them, whatever depends on what.
  return (board.templating?.list ?? []).map((m) => states.get(m.name)).filter((s) => s !== undefined);
}

/** What the board was saved with: better than nothing when the query fails. */
function kept(model: VariableModel): Option[] {
  return (model.options ?? []).filter((o) => o.value !== ALL).map(({ text, value }) => ({ text, value: String(value) }));
}

function ordered(models: VariableModel[]): VariableModel[] {
  const done: VariableModel[] = [];
  const names = new Set<string>();
  let rest = [...models];
  while (rest.length) {
    const free = rest.filter((m) => !rest.some((other) => other !== m && uses(m, other.name)));
    // A circle has no right order: take the board's.
    const next = free.length ? free : rest;
    next.forEach((m) => {
      done.push(m);
      names.add(m.name);
    });
    rest = rest.filter((m) => !names.has(m.name));
  }
  return done;
}

function uses(model: VariableModel, name: string): boolean {
  const text = JSON.stringify([model.query, model.definition, model.regex, model.datasource]);
  return new RegExp(`\\$${name}\\b|\\$\\{${name}[}:.]|\\[\\[${name}[\\]:]`).test(text);
}

async function optionsOf(model: VariableModel, scope: Scope, refreshMs: number, signal: AbortSignal): Promise<Option[]> {
  switch (model.type) {
    case 'query':
      return sorted(await queried(model, scope, refreshMs, signal), model.sort ?? 0);
    case 'custom':
      return customOptions(fill(String(model.query ?? ''), scope));
    case 'datasource': {
      const match = model.regex ? pattern(fill(model.regex, scope)) : undefined;
      return (await dataSources())
        .filter((s) => s.type === model.query && (!match || match.test(s.name)))
        .map((s) => ({ text: s.name, value: s.uid }));
    }
    case 'interval': {
      const steps = String(model.query ?? '').split(',').map((s) => s.trim()).filter(Boolean);
      const options = steps.map((s) => ({ text: s, value: s }));
      return model.auto ? [{ text: 'auto', value: AUTO }, ...options] : options;
    }
    case 'constant':
    case 'textbox':
      return [{ text: String(model.query ?? ''), value: String(model.query ?? '') }];
    case 'switch':
      return ['true', 'false'].map((v) => ({ text: v, value: v }));
    default:
      return kept(model);
  }
}

/** `label : value, …`; a comma or colon that belongs to a word is written with a backslash. */
export function customOptions(text: string): Option[] {
  const parts = text.match(/(?:\\,|[^,])+/g) ?? [];
  return parts.map((part) => {
    const plain = part.replace(/\\,/g, ',').trim();
    const pair = /^\s*(.+)\s:\s(.+)$/.exec(plain);
    return pair ? { text: pair[1].trim(), value: pair[2].trim() } : { text: plain, value: plain };
  });
}

async function queried(model: VariableModel, scope: Scope, refreshMs: number, signal: AbortSignal): Promise<Option[]> {
  const query = model.query as { rawSql?: string; query?: string } | string | undefined;
  const raw = typeof query === 'string' ? query : (query?.rawSql ?? query?.query ?? model.definition ?? '');
  if (!raw.trim()) {
    return [];
  }
  const ask = { refId: model.name, datasource: sourceOf(model.datasource, scope), rawSql: fillSql(raw, scope), format: 1 };
  const replies = await runQueries([ask], rangeMs(scope.range), refreshMs, signal);
  const reply = replies[model.name];
  if (reply.error) {
    throw new Error(reply.error);
  }
  const [values, labels] = reply.frames[0]?.fields ?? [];
  if (!values) {
    return [];
  }
  const seen = new Set<string>();
  const options = values.values.map((value, i) => ({
    value: String(value ?? ''),
    text: String((labels ?? values).values[i] ?? ''),
  }));
  return filtered(options, model.regex).filter((o) => !seen.has(o.value) && seen.add(o.value));
}

function filtered(options: Option[], regex?: string): Option[] {
  const match = regex ? pattern(regex) : undefined;
  if (!match) {
    return options;
  }
  return options.flatMap((option) => {
    const found = new RegExp(match.source, match.flags.replace('g', '')).exec(option.text);
    if (!found) {
      return [];
    }
    const value = found.groups?.value ?? found[1];
    return [value === undefined ? option : { value, text: found.groups?.text ?? value }];
  });
}

function pattern(text: string): RegExp | undefined {
  const written = /^\/(.*)\/([a-z]*)$/.exec(text);
  try {
    return written ? new RegExp(written[1], written[2]) : new RegExp(text);
  } catch {
    return undefined;
  }
}

/** Grafana's codes: 0 none, 1/2 text, 3/4 number, 5/6 text without case; odd is ascending. */
function sorted(options: Option[], sort: number): Option[] {
  if (!sort) {
    return options;
  }
  const number = (o: Option) => Number(/\d+/.exec(o.text)?.[0] ?? -1);
  const compare = {
    1: (a: Option, b: Option) => a.text.localeCompare(b.text, 'zh-CN'),
    2: (a: Option, b: Option) => number(a) - number(b),
    3: (a: Option, b: Option) => a.text.toLowerCase().localeCompare(b.text.toLowerCase(), 'zh-CN'),
    4: (a: Option, b: Option) => a.text.localeCompare(b.text, 'zh-CN', { numeric: true }),
  }[Math.ceil(sort / 2)];
  const result = compare ? [...options].sort(compare) : options;
  return sort % 2 ? result : result.reverse();
}

function chosen(model: VariableModel, options: Option[], asked: string[] | undefined, scope: Scope): Choice {
  if (model.type === 'constant') {
    return { text: options[0].text, value: options[0].value };
  }
  const saved = model.current?.value;
  const wanted = asked ?? (saved === undefined || saved === '' ? undefined : Array.isArray(saved) ? saved : [saved]);
  let values = (wanted ?? []).map(String).map((v) => (v === 'All' && model.includeAll ? ALL : v));
  if (!model.includeAll) {
    // "All" of the board one came from is no value here; as in Grafana the first option is taken.
    values = values.filter((v) => v !== ALL);
  }
  if (model.type === 'textbox') {
    return { text: values[0] ?? options[0].text, value: values[0] ?? options[0].value };
  }
  if (!asked) {
    // What the board was saved with may be gone by now.
    values = values.filter((v) => v === ALL || options.some((o) => o.value === v || o.text === v));
  }
  if (!values.length) {
    values = model.includeAll ? [ALL] : options.slice(0, 1).map((o) => o.value);
  }
  const picked = values.map((v) => (v === ALL ? { text: '全部', value: ALL } : byValue(options, v)));
  if (model.type === 'interval' && picked[0]?.value === AUTO) {
    const { interval } = rangeUtil.calculateInterval(scope.range, model.auto_count ?? 30, model.auto_min ?? '10s');
    return { text: 'auto', value: interval };
  }
  return model.multi
    ? { text: picked.map((o) => o.text), value: picked.map((o) => o.value) }
    : { text: picked[0]?.text ?? '', value: picked[0]?.value ?? '' };
}

function byValue(options: Option[], value: string): Option {
  return options.find((o) => o.value === value) ?? options.find((o) => o.text === value) ?? { text: value, value };
}

/** A query's data source, variables filled in. */
export function sourceOf(reference: SourceRef | string | null | undefined, scope: Scope): SourceRef {
  const uid = typeof reference === 'string' ? reference : reference?.uid;
  const filled = uid ? fill(uid, scope) : '';
  return { uid: filled === 'default' ? '' : filled };
}

export function rangeMs(range: TimeRange): { from: number; to: number } {
  return { from: range.from.valueOf(), to: range.to.valueOf() };
}
