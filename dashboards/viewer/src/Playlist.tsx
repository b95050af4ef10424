/** Boards in turn on one screen, for months: a full reload now and then keeps the tab small. */
import { rangeUtil } from '@grafana/data';
import { useEffect, useState } from 'react';
import { get } from './api';
import { Board } from './Board';
import type { BoardHit } from './panels/text';
import { setSearch } from './url';

interface Item {
  type: string;
  value: string;
}

interface List {
  name: string;
  interval: string;
  items: Item[];
}

const RELOAD_MS = 3_600_000;
const RETRY_MS = 5000;

async function boardsOf(items: Item[]): Promise<string[]> {
  const uids: string[] = [];
  for (const item of items) {
    if (item.type === 'dashboard_by_uid') {
      uids.push(item.value);
    } else {
      const hits = await get<BoardHit[]>(`/api/search?type=dash-db&tag=${encodeURIComponent(item.value)}`);
      uids.push(...hits.map((h) => h.uid));
    }
  }
  return uids;
}

export function Playlist({ uid }: { uid: string }) {
  const [list, setList] = useState<{ uids: string[]; ms: number; name: string }>();
  const [problem, setProblem] = useState('');
  const [at, setAt] = useState(() => Number(new URLSearchParams(window.location.search).get('at') ?? 0));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const load = () =>
      get<List>(`/api/playlists/${encodeURIComponent(uid)}`)
        .then(async (found) => {
          const uids = await boardsOf(found.items);
          setList({ uids, ms: Math.max(rangeUtil.intervalToMs(found.interval), 2000), name: found.name });
          setProblem(uids.length ? '' : `轮播 ${found.name} 里没有看板`);
        })
        .catch((error: Error) => {
          setProblem(error.message);
          timer = setTimeout(load, RETRY_MS);
        });
    void load();
    return () => clearTimeout(timer);
  }, [uid]);
  useEffect(() => {
    if (!list?.uids.length) {
      return;
    }
    const born = performance.now();
    const timer = setInterval(() => {
      setAt((now) => {
        const next = (now + 1) % list.uids.length;
        // Reloaded only when the server answers: otherwise the screen would go blank.
        if (next === 0 && performance.now() - born > RELOAD_MS) {
          get('/api/health').then(() => window.location.reload(), () => undefined);
        }
        return next;
      });
    }, list.ms);
    return () => clearInterval(timer);
  }, [list]);
  useEffect(() => setSearch({ at: String(at) }, true), [at]);
  if (problem || !list) {
    return <div className="gulou-page-error">{problem}</div>;
  }
  return (
    <div data-playlist-at={at % list.uids.length}>
      <Board uid={list.uids[at % list.uids.length]} inTurn />
    </div>
  );
}
