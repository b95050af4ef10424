/** A board's JSON made ready to draw: repeats unrolled, rows opened or closed, places computed. */
import { ALL } from './formats';
import type { BoardModel, Choice, Panel } from './types';
import type { VariableState } from './variables';

const COLUMNS = 24;

/** Thresholds open at the bottom are written null in JSON; Grafana reads that as -Infinity. */
function mend(value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach(mend);
  } else if (value && typeof value === 'object') {
    const steps = (value as { steps?: Array<{ value: number | null }> }).steps;
    if (Array.isArray(steps) && steps[0] && steps[0].value === null) {
      steps[0].value = -Infinity;
    }
    Object.values(value).forEach(mend);
  }
}

export function ready(board: BoardModel): BoardModel {
  const copy = structuredClone(board);
  const visit = (panels: Panel[] | undefined) => {
    panels?.forEach((panel, i) => {
      panel.gridPos ??= { x: 0, y: i * 8, w: 12, h: 8 };
      mend(panel.fieldConfig);
      visit(panel.panels);
    });
  };
  visit(copy.panels);
  return copy;
}

interface Section {
  row?: Panel;
  panels: Panel[];
}

/** Panels with their places; those of closed rows are left out. */
export function arranged(board: BoardModel, variables: VariableState[], closed: Record<string, boolean>): Panel[] {
  const result: Panel[] = [];
  let y = 0;
  for (const section of sections(board.panels ?? [], variables)) {
    if (section.row) {
      const key = keyOf(section.row);
      const collapsed = closed[key] ?? section.row.collapsed ?? false;
      result.push({ ...section.row, key, collapsed, gridPos: { x: 0, y, w: COLUMNS, h: 1 } });
      y += 1;
      if (collapsed) {
        continue;
      }
    }
    const placed = unrolled(section.panels, variables, section.row?.scoped);
    const top = Math.min(...placed.map((p) => p.gridPos.y));
    let bottom = y;
    for (const panel of placed) {
      const gridPos = { ...panel.gridPos, y: panel.gridPos.y - top + y };
      bottom = Math.max(bottom, gridPos.y + gridPos.h);
      result.push({ ...panel, key: keyOf(panel), gridPos });
    }
    y = bottom;
  }
  return result;
}

function keyOf(panel: Panel): string {
  const scoped = panel.scoped ? JSON.stringify(Object.values(panel.scoped).map((c) => c.value)) : '';
  return `${panel.id}${scoped}`;
}

function sections(panels: Panel[], variables: VariableState[]): Section[] {
  const sorted = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  const found: Section[] = [{ panels: [] }];
  for (const panel of sorted) {
    if (panel.type === 'row') {
      found.push({ row: panel, panels: [...(panel.panels ?? [])] });
    } else {
      found[found.length - 1].panels.push(panel);
    }
  }
  return found
    .filter((s) => s.row || s.panels.length)
    .flatMap((s) => (s.row?.repeat ? repeatedRow(s, variables) : [s]));
}

function repeatedRow(section: Section, variables: VariableState[]): Section[] {
  const name = section.row?.repeat as string;
  return choices(name, variables).map((choice) => ({
    row: { ...(section.row as Panel), scoped: { [name]: choice } },
    panels: section.panels,
  }));
}

/** Each value a repeated panel is drawn for; "All" means each option. */
function choices(name: string, variables: VariableState[]): Choice[] {
  const state = variables.find((v) => v.model.name === name);
  if (!state) {
    return [{ text: '', value: '' }];
  }
  const values = [state.choice.value].flat();
  const picked = values.includes(ALL)
    ? state.options
    : values.map((v) => state.options.find((o) => o.value === v) ?? { text: v, value: v });
  return picked.map((o) => ({ text: o.text, value: o.value }));
}

function unrolled(panels: Panel[], variables: VariableState[], scoped?: Record<string, Choice>): Panel[] {
  const result: Panel[] = [];
  let pushed = 0;
  for (const panel of panels) {
    const place = { ...panel.gridPos, y: panel.gridPos.y + pushed };
    if (!panel.repeat || scoped?.[panel.repeat]) {
      result.push({ ...panel, gridPos: place, scoped });
      continue;
    }
    const name = panel.repeat;
    const copies = choices(name, variables);
    const vertical = panel.repeatDirection === 'v';
    const perRow = vertical ? 1 : Math.min(copies.length, panel.maxPerRow ?? 4) || 1;
    const width = vertical ? place.w : Math.floor(COLUMNS / perRow);
    copies.forEach((choice, i) => {
      const x = vertical ? place.x : (i % perRow) * width;
      const y = place.y + Math.floor(i / perRow) * place.h;
      result.push({ ...panel, gridPos: { x, y, w: width, h: place.h }, scoped: { ...scoped, [name]: choice } });
    });
    pushed += (Math.ceil(copies.length / perRow) - 1) * place.h;
  }
  return result;
}
