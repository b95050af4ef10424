/** Text, lists of boards, and the place of a panel that cannot be drawn here. */
import { renderTextPanelMarkdown, textUtil } from '@grafana/data';
import { useEffect, useMemo, useState } from 'react';
import { get } from '../api';
import type { PanelProps } from './types';

export function TextPanel({ panel, replaceVariables }: PanelProps) {
  const { mode = 'markdown', content = '' } = panel.options ?? {};
  const html = useMemo(() => {
    const filled = replaceVariables(content, {}, 'html');
    return mode === 'html' ? textUtil.sanitizeTextPanelContent(filled) : renderTextPanelMarkdown(filled);
  }, [content, mode, replaceVariables]);
  if (mode === 'code') {
    return <pre className="gulou-code">{replaceVariables(content)}</pre>;
  }
  return <div className="markdown-html gulou-text" dangerouslySetInnerHTML={{ __html: html }} />;
}

export interface BoardHit {
  uid: string;
  title: string;
  url: string;
  tags: string[];
  type: string;
  description?: string;
  folderTitle?: string;
}

export function BoardList({ panel }: PanelProps) {
  const [boards, setBoards] = useState<BoardHit[]>([]);
  const { tags = [], query = '', maxItems = 30 } = panel.options ?? {};
  useEffect(() => {
    const search = new URLSearchParams({ type: 'dash-db', query });
    tags.forEach((tag: string) => search.append('tag', tag));
    get<BoardHit[]>(`/api/search?${search}`).then((hits) => setBoards(hits.slice(0, maxItems)), () => undefined);
  }, [tags, query, maxItems]);
  return (
    <ul className="gulou-list">
      {boards.map((board) => (
        <li key={board.uid}>
          <a href={board.url}>{board.title}</a>
        </li>
      ))}
    </ul>
  );
}

export function UnknownPanel({ panel }: PanelProps) {
  return (
    <div className="gulou-unknown" role="note">
      <b>{panel.title || '未命名面板'}</b>
      <span>
        此处不支持面板类型 <code>{panel.type}</code>
      </span>
    </div>
  );
}
