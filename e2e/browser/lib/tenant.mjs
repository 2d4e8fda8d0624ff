// What the tenant chose. Written past the product, whose form for it is tested elsewhere.

import { execFileSync } from "node:child_process";
import path from "node:path";

const WRITE = `
import json, sqlite3, sys
file, choices = sys.argv[1], json.loads(sys.argv[2])
with sqlite3.connect(file, timeout=10) as db:
    (tenant,) = db.execute("select id from tenants").fetchone()
    db.execute("insert into tenant_settings (tenant_id, updated_at_ms) values (?, 0) on conflict do nothing", (tenant,))
    for column, value in choices.items():
        db.execute(f"update tenant_settings set {column} = ? where tenant_id = ?", (value, tenant))
`;

/** `branding`, `origins`, `officialUrl`, `wrongPhone`; what is absent stays. */
export function choose(sandbox, { branding, origins, officialUrl, wrongPhone }) {
  const columns = {
    ...(branding && { branding: JSON.stringify(branding) }),
    ...(origins && { allowed_origins: JSON.stringify(origins) }),
    ...(officialUrl !== undefined && { official_url: officialUrl }),
    ...(wrongPhone && { wrong_phone: wrongPhone }),
  };
  execFileSync("python3", ["-c", WRITE, path.join(sandbox.data, "ramal.db"), JSON.stringify(columns)]);
}
