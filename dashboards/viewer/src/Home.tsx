/** The first page: every board by folder, every playlist. */
import { useEffect, useState } from 'react';
import { get } from './api';
import type { BoardHit } from './panels/text';

interface PlaylistHit {
  uid: string;
  name: string;
  interval: string;
}

export function Home() {
  const [boards, setBoards] = useState<BoardHit[]>();
  const [lists, setLists] = useState<PlaylistHit[]>([]);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    document.title = '鼓楼 · 看板';
    get<BoardHit[]>('/api/search?type=dash-db').then(setBoards, (e: Error) => setProblem(e.message));
    get<PlaylistHit[]>('/api/playlists').then(setLists, () => undefined);
  }, []);
  const folders = new Map<string, BoardHit[]>();
  for (const board of boards ?? []) {
    const name = board.folderTitle ?? '看板';
    folders.set(name, [...(folders.get(name) ?? []), board]);
  }
  return (
    <main className="gulou-home">
      <header>
        <img src="/assets/drum.svg" alt="" width="56" height="56" />
        <div>
          <h1>鼓楼</h1>
          <p>城市治理数据看板 · Governance boards</p>
        </div>
      </header>
      {problem && <p role="alert">{problem}</p>}
      {boards?.length === 0 && <p>还没有看板。发布：gulou boards publish</p>}
      {lists.length > 0 && (
        <section>
          <h2>轮播</h2>
          <ul>
            {lists.map((list) => (
              <li key={list.uid}>
                <a href={`/playlists/play/${list.uid}?kiosk&autofitpanels`}>
                  <b>▶ {list.name}</b>
                  <span>每屏 {list.interval}</span>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
      {[...folders].map(([name, list]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {list.map((board) => (
              <li key={board.uid}>
                <a href={board.url}>
                  <b>{board.title}</b>
                  <span>{board.description || board.tags.join(' · ')}</span>
                </a>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </main>
  );
}
