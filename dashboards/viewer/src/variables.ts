/** Template variables: what the server offers, and what is chosen. */
import { rangeUtil, type TimeRange } from '@grafana/data';
import { askVariables, type SettledVariable, type Shown, type Span } from './api';
import type { BoardModel, Choice, Option, VariableModel } from './types';

export interface VariableState {
  model: VariableModel;
  options: Option[];
  choice: Choice;
  /** Variables on which its options depend. */
  parents: string[];
  /** The chosen value is none of the options: words for people. */
  unknown?: string;
  /** Its options could not be had. */
  error?: string;
}

export type Values = Record<string, string[]>;

const AUTO = '$__auto';

/** The values written in the address as `var-<name>`, by name. */
export function fromAddress(search: URLSearchParams): Values {
  const found: Values = {};
  for (const [key, value] of search) {
    if (key.startsWith('var-')) {
      (found[key.slice(4)] ??= []).push(value);
    }
  }
  return found;
}

/** Every variable of a board, in its order, settled by the server. */
export async function resolveVariables(
  board: BoardModel & Shown,
  asked: Values,
  carried: string[],
  range: TimeRange,
  refreshMs: number,
  signal: AbortSignal
): Promise<VariableState[]> {
  const settled = await askVariables(board, asked, carried, rangeMs(range), refreshMs, signal);
  const byName = new Map(settled.map((each) => [each.name, each]));
  return (board.templating?.list ?? []).flatMap((model) => {
    const found = byName.get(model.name);
    return found ? [stateOf(model, found, range)] : [];
  });
}

function stateOf(model: VariableModel, { options, picked, parents, unknown, error }: SettledVariable, range: TimeRange): VariableState {
  const state = { model, options, parents, unknown, error };
  if (model.type === 'interval' && picked[0]?.value === AUTO) {
    const { interval } = rangeUtil.calculateInterval(range, model.auto_count ?? 30, model.auto_min ?? '10s');
    return { ...state, choice: { text: 'auto', value: interval } };
  }
  const choice = model.multi
    ? { text: picked.map((o) => o.text), value: picked.map((o) => o.value) }
    : { text: picked[0]?.text ?? '', value: picked[0]?.value ?? '' };
  return { ...state, choice };
}

/**
 * Variables whose value stayed in the address while one above them was changed.
 *
 * Such a value may be gone from its list, and then the first option takes its place, as in
 * Grafana; a value that somebody wrote into the address is called unknown instead.
 */
export function carriedOver(states: VariableState[], before: Values, now: Values): string[] {
  const same = (name: string) => JSON.stringify(before[name]) === JSON.stringify(now[name]);
  const above = (name: string, seen: Set<string>): string[] =>
    (states.find((s) => s.model.name === name)?.parents ?? [])
      .filter((parent) => !seen.has(parent))
      .flatMap((parent) => [parent, ...above(parent, seen.add(parent))]);
  return states
    .map((s) => s.model.name)
    .filter((name) => now[name] && same(name) && above(name, new Set([name])).some((parent) => !same(parent)));
}

/** Values of variables as the server takes them. */
export function valuesOf(variables: Record<string, Choice>): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(variables).map(([name, choice]) => [name, choice.value]));
}

/** The address's values with those of some variables as they were settled. */
export function corrected(asked: Values, states: VariableState[], names: string[]): Values {
  const result = { ...asked };
  for (const { model, choice } of states.filter((s) => names.includes(s.model.name))) {
    const values = [choice.value].flat().filter((value) => value !== '');
    delete result[model.name];
    if (values.length) {
      result[model.name] = values;
    }
  }
  return result;
}

export function rangeMs(range: TimeRange): Span {
  return { from: range.from.valueOf(), to: range.to.valueOf() };
}
