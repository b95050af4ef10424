/** Runs before any other module. */

// Grafana's theme schema would compile its checks with `new Function`, which the page's policy forbids.
(globalThis as { __zod_globalConfig?: object }).__zod_globalConfig = { jitless: true };

// Grafana's icons are read from below this path.
(globalThis as { __grafana_public_path__?: string }).__grafana_public_path__ = '/public/';

export {};
