/** Printing: when it begins every panel is drawn, in ink on white, whether it was in sight or not. */
import { useSyncExternalStore } from 'react';

const PX_PER_MM = 96 / 25.4;

/** What a page of A3 landscape holds inside of its margins of 10 mm (main.tsx), in CSS px. */
export const PAPER = { width: Math.floor((420 - 20) * PX_PER_MM), height: (297 - 20) * PX_PER_MM };

const READY_MS = 20_000;

const listeners = new Set<() => void>();
const media = window.matchMedia('print');
// The last state that was announced. When a panel reads `matches` after it changed, Chromium sends no
// `change`, and the rest of the page would keep its layout for a screen.
let paper = media.matches;
let asked = false;

const told = () => listeners.forEach((listener) => listener());

function set(value: boolean): void {
  asked = value;
  told();
}

media.addEventListener('change', (event) => {
  paper = event.matches;
  told();
});
window.addEventListener('beforeprint', () => set(true));
window.addEventListener('afterprint', () => set(false));
// The browser prints what is there at that instant, so the key has to wait for the answers.
window.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'p' && document.querySelector('.gulou-board')) {
    event.preventDefault();
    void printBoard();
  }
});

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export function usePrinting(): boolean {
  return useSyncExternalStore(subscribe, () => asked || paper);
}

/** Prints once every panel of the board has its picture. */
export async function printBoard(): Promise<void> {
  set(true);
  const end = performance.now() + READY_MS;
  do {
    await new Promise((done) => setTimeout(done, 200));
  } while (document.querySelector('[data-state="waiting"]') && performance.now() < end);
  window.print();
  // Where printing does not block, `afterprint` has come or is still to come; both end it.
  set(false);
}
