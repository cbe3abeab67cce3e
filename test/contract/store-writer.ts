// A process that commits one record after another and says when each was acknowledged, until it
// is killed. `node store-writer.ts <journal> <first number>`

import { openSqliteStore } from "../../runtime/store-sqlite.ts";

const [, , path = "", first = "0"] = process.argv;
const store = await openSqliteStore({ path });
for (let i = Number(first); ; i += 1) {
  const puts = [
    { key: `job/${i}`, value: `${i}` },
    { key: `copy/${i}`, value: `${i}` },
  ];
  const events = [{ subject: "job", wallMs: 0, body: `${i}` }];
  await store.commit({ puts, deletes: [], events });
  process.stdout.write(`${i}\n`);
}
