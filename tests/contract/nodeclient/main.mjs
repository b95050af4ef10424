// Asks a ClickHouse what a program with @clickhouse/client asks, with compression both ways.
//
// Prints one JSON object a line for each step: {"step": name, "ok": bool, "got": value}.
import { createClient } from "@clickhouse/client";

const [url, username, database, compressed] = process.argv.slice(2);
const client = createClient({
  url,
  username,
  password: process.env.GULOU_TEST_PASSWORD,
  database,
  compression: { request: compressed === "true", response: compressed === "true" },
  request_timeout: 60_000,
});

async function step(name, act) {
  try {
    console.log(JSON.stringify({ step: name, ok: true, got: await act() }));
  } catch (error) {
    console.log(JSON.stringify({ step: name, ok: false, got: `${error.code ?? ""} ${error.message}` }));
  }
}

const rows = (count) =>
  Array.from({ length: count }, (_, n) => ({ n: String(n), s: `鼓楼 ${n}`, j: { a: { b: n } } }));

async function selected(query, more = {}) {
  const answer = await client.query({ query, format: "JSONEachRow", ...more });
  return answer.json();
}

await step("ping", async () => (await client.ping()).success);
await step("create", async () => {
  await client.command({
    query: "CREATE TABLE node (n UInt64, s String, j JSON) ENGINE = MergeTree ORDER BY n",
  });
});
await step("insert", async () => {
  const done = await client.insert({ table: "node", values: rows(20_000), format: "JSONEachRow" });
  return done.summary?.written_rows;
});
await step("select", async () => {
  const [found] = await selected("SELECT count() AS c, sum(n) AS t, max(j.a.b::UInt64) AS b FROM node");
  return `${found.c} ${found.t} ${found.b}`;
});
await step("stream", async () => {
  const answer = await client.query({ query: "SELECT n, s FROM node ORDER BY n", format: "JSONEachRow" });
  let count = 0;
  for await (const pieces of answer.stream()) count += pieces.length;
  return count;
});
await step("parameters", async () => {
  const [found] = await selected("SELECT {s:String} AS s, {l:Array(UInt8)} AS l", {
    query_params: { s: "it's\t鼓楼", l: [1, 2] },
  });
  return `${found.s} ${found.l}`;
});
await step("with totals", async () => {
  const answer = await client.query({
    query: "SELECT n % 2 AS k, toUInt32(count()) AS c FROM node GROUP BY k WITH TOTALS",
    format: "JSON",
  });
  return (await answer.json()).totals;
});
await step("error", () => selected("SELECT * FROM a_table_that_is_not_there"));
await step("error behind rows", async () => {
  const answer = await client.query({
    query: "SELECT throwIf(number = 90000, 'too late') AS late FROM numbers(100000)",
    format: "JSONEachRow",
    clickhouse_settings: { max_block_size: "1000", max_threads: 1 },
  });
  for await (const pieces of answer.stream()) void pieces;
});
await step("gone", () => client.command({ query: "DROP TABLE node" }).then(() => true));
await client.close();
