/** Variables in text: Grafana's syntax, formats and built-in names. */
import { dateTimeFormat, dateTimeFormatISO, type ScopedVars, type TimeRange } from '@grafana/data';
import type { Choice, VariableModel } from './types';

export const ALL = '$__all';

/** What a text is filled with. */
export interface Scope {
  variables: Record<string, Choice>;
  models: VariableModel[];
  /** All values of a variable, for when "All" is chosen. */
  options: Record<string, string[]>;
  range: TimeRange;
  timeZone: string;
  title: string;
  uid: string;
  version?: number;
  search: () => URLSearchParams;
}

type Value = string | string[];
export type Format = string | ((value: Value) => string) | undefined;

/** Nothing but letters, digits and -_.~ is left unencoded, quotes and brackets included. */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
}

const listed = (value: Value): string[] => (Array.isArray(value) ? value : [value]);
const glob = (value: Value): string =>
  Array.isArray(value) && value.length > 1 ? `{${value.join(',')}}` : listed(value).join('');

type Formatter = (value: Value, args: string[], name: string, text: Value) => string;

const FORMATS: Record<string, Formatter> = {
  raw: (v) => listed(v).join(','),
  csv: (v) => listed(v).join(','),
  glob,
  pipe: (v) => listed(v).join('|'),
  distributed: (v, _a, name) => listed(v).map((x, i) => (i === 0 ? x : `${name}=${x}`)).join(','),
  json: (v) => JSON.stringify(v),
  text: (_v, _a, _n, text) => listed(text).join(' + '),
  singlequote: (v) => listed(v).map((x) => `'${x.replace(/'/g, "\\'")}'`).join(','),
  doublequote: (v) => listed(v).map((x) => `"${x.replace(/"/g, '\\"')}"`).join(','),
  sqlstring: (v) => listed(v).map((x) => `'${x.replace(/'/g, "''")}'`).join(','),
  regex: (v) => {
    const escaped = listed(v).map((x) => x.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
    return escaped.length > 1 ? `(${escaped.join('|')})` : escaped.join('');
  },
  lucene: (v) => {
    const quoted = listed(v).map((x) => x.replace(/([!*+\-=<>\s&|()[\]{}^~?:\\/"])/g, '\\$1'));
    return Array.isArray(v) ? `(${quoted.map((x) => `"${x}"`).join(' OR ')})` : quoted[0];
  },
  percentencode: (v) => (Array.isArray(v) ? encodeStrictly(`{${v.join(',')}}`) : encodeStrictly(v)),
  uriencode: (v) => encodeStrictly(glob(v)),
  html: (v) => listed(v).join(', ').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
  queryparam: (v, _a, name) => listed(v).map((x) => `var-${encodeStrictly(name)}=${encodeStrictly(x)}`).join('&'),
  join: (v, args) => listed(v).join(args[0] ?? ','),
  date: (v, args) => formatDate(Number(listed(v)[0]), args),
};

function formatDate(ms: number, args: string[]): string {
  switch (args[0] ?? 'iso') {
    case 'iso':
      return dateTimeFormatISO(ms, { timeZone: 'utc' });
    case 'seconds':
      return String(Math.round(ms / 1000));
    default:
      return dateTimeFormat(ms, { format: args.join(':') });
  }
}

const PATTERN = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:^}]+|\[[^\]]+\])+)?(?::([^}]+))?\}/g;

/** `text` with every known variable filled in; unknown names stay as they are. */
export function fill(text: string, scope: Scope, vars?: ScopedVars, format?: Format): string {
  if (!text || !/\$|\[\[/.test(text)) {
    return text ?? '';
  }
  return text.replace(PATTERN, (match, plain, square, squareFormat, braced, path, written) => {
    const name: string = plain ?? square ?? braced;
    const found = lookUp(name, path, scope, vars);
    if (!found) {
      return match;
    }
    if (found.ready) {
      return String(found.value);
    }
    return formatted(found.value, written ?? squareFormat ?? format, name, found.text, scope);
  });
}

function formatted(value: Value, format: Format, name: string, text: Value, scope: Scope): string {
  if (typeof format === 'function') {
    return format(value);
  }
  if (!format) {
    return glob(value);
  }
  const [id, ...args] = format.split(':');
  if (id === 'queryparam') {
    return queryParam(name, scope) ?? FORMATS.queryparam(value, args, name, text);
  }
  const formatter = FORMATS[id] ?? FORMATS.glob;
  return formatter(value, args, name, text);
}

/** In a link "All" travels as itself, not as the list of today's values. */
function queryParam(name: string, scope: Scope): string | undefined {
  const choice = scope.variables[name];
  return choice && FORMATS.queryparam(choice.value, [], name, choice.text);
}

interface Found {
  value: Value;
  text: Value;
  /** Already a piece of a URL. */
  ready?: boolean;
}

const known = (value: unknown, text: unknown = value): Found => ({ value: asValue(value), text: asValue(text) });
const asValue = (value: unknown): Value => (Array.isArray(value) ? value.map(String) : String(value ?? ''));

function lookUp(name: string, path: string | undefined, scope: Scope, vars?: ScopedVars): Found | undefined {
  const own = vars?.[name];
  if (own && name !== '__dataContext') {
    return known(own.value, own.text ?? own.value);
  }
  if (name.startsWith('__')) {
    return builtIn(name, path, scope, vars);
  }
  const choice = scope.variables[name];
  return choice && resolved(name, choice, scope);
}

/** "All" as its custom value, or as every option. */
export function resolved(name: string, choice: Choice, scope: Pick<Scope, 'models' | 'options'>): Found {
  if (!isAll(choice.value)) {
    return known(choice.value, choice.text);
  }
  const own = scope.models.find((m) => m.name === name)?.allValue;
  return own ? { value: own, text: '全部' } : { value: scope.options[name] ?? [], text: '全部' };
}

export const isAll = (value: Value): boolean => (Array.isArray(value) ? value.includes(ALL) : value === ALL);

interface DataContext {
  data?: unknown;
  frame: { name?: string; fields: Array<FieldLike> };
  field: FieldLike;
  rowIndex?: number;
  calculatedValue?: { text: string; numeric: number; prefix?: string; suffix?: string };
}

interface FieldLike {
  name: string;
  type: string;
  labels?: Record<string, string>;
  config: { displayName?: string };
  state?: { displayName?: string | null } | null;
  values: unknown[];
  display?: (v: unknown) => { text: string; prefix?: string; suffix?: string };
}

function builtIn(name: string, path: string | undefined, scope: Scope, vars?: ScopedVars): Found | undefined {
  const context = vars?.__dataContext?.value as DataContext | undefined;
  switch (name) {
    case '__from':
      return known(scope.range.from.valueOf());
    case '__to':
      return known(scope.range.to.valueOf());
    case '__timezone':
      return known(scope.timeZone);
    case '__dashboard':
      return known(path === '.uid' ? scope.uid : scope.title);
    case '__org':
      return known(path === '.name' ? 'Main Org.' : 1);
    case '__user':
      return known(path === '.login' || path === '.email' ? 'viewer' : 1);
    case '__url_time_range': {
      const search = scope.search();
      const raw = scope.range.raw;
      const time = (key: string, value: unknown) => search.get(key) ?? (typeof value === 'string' ? value : '');
      const from = encodeStrictly(time('from', raw.from) || String(scope.range.from.valueOf()));
      const to = encodeStrictly(time('to', raw.to) || String(scope.range.to.valueOf()));
      return { value: `from=${from}&to=${to}`, text: '', ready: true };
    }
    case '__all_variables': {
      const parts = scope.models
        .filter((m) => scope.variables[m.name] && m.type !== 'constant')
        .map((m) => FORMATS.queryparam(scope.variables[m.name].value, [], m.name, ''));
      return { value: parts.join('&'), text: '', ready: true };
    }
    case '__data':
      return context && dataField(path ?? '', context);
    case '__field':
      return context && fieldProperty(path ?? '', context.field);
    case '__series':
      return context && known(context.frame.name ?? context.field.state?.displayName ?? context.field.name);
    case '__value':
      return context && cellValue(path ?? '', context);
    default:
      return undefined;
  }
}

/** `.fields.x`, `.fields["x y"]`, `.fields[0]`, each optionally with `.text` or `.numeric`. */
function dataField(path: string, context: DataContext): Found | undefined {
  const found = /^\.fields(?:\.([^.[]+)|\["([^"]+)"\]|\['([^']+)'\]|\[(\d+)\])(?:\.(text|numeric|time))?$/.exec(path);
  if (!found || context.rowIndex === undefined) {
    return undefined;
  }
  const name = found[1] ?? found[2] ?? found[3];
  const field =
    name === undefined
      ? context.frame.fields[Number(found[4])]
      : context.frame.fields.find((f) => f.name === name || f.config.displayName === name || f.state?.displayName === name);
  if (!field) {
    return known('');
  }
  const value = field.values[context.rowIndex];
  return known(found[5] === 'text' ? shown(field, value) : value);
}

function shown(field: FieldLike, value: unknown): string {
  const display = field.display?.(value);
  return display ? `${display.prefix ?? ''}${display.text}${display.suffix ?? ''}` : String(value ?? '');
}

function fieldProperty(path: string, field: FieldLike): Found | undefined {
  const label = /^\.labels(?:\.(.+)|\["([^"]+)"\])$/.exec(path);
  if (label) {
    return known(field.labels?.[label[1] ?? label[2]] ?? '');
  }
  if (path === '.name' || path === '.displayName' || path === '') {
    return known(field.state?.displayName ?? field.config.displayName ?? field.name);
  }
  return undefined;
}

function cellValue(path: string, context: DataContext): Found | undefined {
  const { field, rowIndex, calculatedValue } = context;
  if (path === '.time') {
    const clock = context.frame.fields.find((f) => f.type === 'time');
    return known(clock && rowIndex !== undefined ? clock.values[rowIndex] : '');
  }
  if (calculatedValue) {
    const text = `${calculatedValue.prefix ?? ''}${calculatedValue.text}${calculatedValue.suffix ?? ''}`;
    return known(path === '.text' || path === '' ? text : calculatedValue.numeric);
  }
  if (rowIndex === undefined) {
    return undefined;
  }
  const value = field.values[rowIndex];
  return known(path === '.text' ? shown(field, value) : value);
}
