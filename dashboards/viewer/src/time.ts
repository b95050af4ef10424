/** The board's time range: relative words become instants by the server's clock. */
import { dateMath, dateTime, dateTimeForTimeZone, isDateTime, rangeUtil, type TimeOption, type TimeRange } from '@grafana/data';
import { serverNow } from './api';

/**
 * The range of `from` and `to`, each `now-6h/d`, ms since 1970 or an ISO time.
 *
 * "Now" is rounded to the refresh interval, so that all screens of a board ask for the same
 * instants and share one query; a range without "now" is never rounded.
 */
export function timeRange(from: string, to: string, zone: string, refreshMs: number): TimeRange {
  const step = refreshMs > 0 ? refreshMs : 1000;
  const now = dateTimeForTimeZone(zone, Math.round(serverNow() / step) * step);
  return {
    from: instant(from, zone, now, false),
    to: instant(to, zone, now, true),
    raw: { from: rawOf(from, zone), to: rawOf(to, zone) },
  };
}

type Instant = ReturnType<typeof dateTime>;

function instant(text: string, zone: string, now: Instant, roundUp: boolean): Instant {
  if (/^\d{6,}$/.test(text)) {
    return dateTimeForTimeZone(zone, Number(text));
  }
  if (text.startsWith('now')) {
    const found = dateMath.toDateTime(text, { timezone: zone, roundUp, now });
    return found?.isValid() ? found : now;
  }
  const found = dateTimeForTimeZone(zone, text);
  return found.isValid() ? found : now;
}

function rawOf(text: string, zone: string): string | Instant {
  return text.startsWith('now') ? text : instant(text, zone, dateTimeForTimeZone(zone, serverNow()), false);
}

/** How a chosen range stands in the address: words stay words, instants become ms. */
export function written(range: TimeRange): { from: string; to: string } {
  const one = (value: unknown) => (isDateTime(value) ? String(value.valueOf()) : String(value));
  return { from: one(range.raw.from), to: one(range.raw.to) };
}

export function refreshMs(text: string | false | null | undefined): number {
  if (!text || text === 'off') {
    return 0;
  }
  try {
    return Math.max(rangeUtil.intervalToMs(text), 1000);
  } catch {
    return 0;
  }
}

/** A panel's own `timeFrom` and `timeShift` over the board's range. */
export function panelRange(range: TimeRange, zone: string, timeFrom?: string, timeShift?: string): TimeRange {
  let result = range;
  if (timeFrom) {
    const to = range.to;
    const from = dateMath.toDateTime(`now-${timeFrom}`, { timezone: zone, now: to, roundUp: false });
    result = from ? { from, to, raw: { from: `now-${timeFrom}`, to: 'now' } } : range;
  }
  if (timeShift) {
    const shift = (value: Instant, up: boolean) => dateMath.parseDateMath(`-${timeShift}`, dateTime(value), up) ?? value;
    const from = shift(result.from, false);
    const to = shift(result.to, true);
    result = { from, to, raw: { from, to } };
  }
  return result;
}

const quick = (display: string, from: string, to = 'now'): TimeOption => ({ display, from, to });

export const QUICK_RANGES: TimeOption[] = [
  quick('今天', 'now/d', 'now/d'),
  quick('今天到现在', 'now/d'),
  quick('昨天', 'now-1d/d', 'now-1d/d'),
  quick('本周', 'now/w', 'now/w'),
  quick('本月', 'now/M', 'now/M'),
  quick('今年', 'now/y', 'now/y'),
  quick('今年到现在', 'now/y'),
  quick('去年', 'now-1y/y', 'now-1y/y'),
  quick('最近 15 分钟', 'now-15m'),
  quick('最近 1 小时', 'now-1h'),
  quick('最近 6 小时', 'now-6h'),
  quick('最近 24 小时', 'now-24h'),
  quick('最近 7 天', 'now-7d'),
  quick('最近 30 天', 'now-30d'),
  quick('最近 90 天', 'now-90d'),
  quick('最近 1 年', 'now-1y'),
  quick('最近 5 年', 'now-5y'),
];
