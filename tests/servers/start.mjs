// Starts an S3 server and Azurite on free ports of the loopback interface, in the folder that is named, with a bucket and
// a container called `lake`. Prints their addresses, then waits until standard input ends.
import { createHmac } from "node:crypto";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const folder = process.argv[2];
const bucket = "lake";
// Azurite's account, which everybody knows: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startS3() {
  const S3rver = require("s3rver");
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: join(folder, "s3"),
    configureBuckets: [{ name: bucket }],
  });
  const { port } = await server.run();
  return `http://127.0.0.1:${port}`;
}

async function startAzure() {
  const port = await freePort();
  const program = join(dirname(require.resolve("azurite/package.json")), "dist/src/blob/main.js");
  const child = spawn(
    process.execPath,
    [program, "--blobHost", "127.0.0.1", "--blobPort", String(port), "--location", join(folder, "azure"),
      "--silent", "--skipApiVersionCheck", "--disableTelemetry"],
    { stdio: "ignore" },
  );
  process.on("exit", () => child.kill());
  const endpoint = `http://127.0.0.1:${port}/${account}`;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      await createContainer(endpoint);
      return endpoint;
    } catch (error) {
      if (error.isFinal) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error("Azurite does not answer");
}

// With a shared key: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
async function createContainer(endpoint) {
  const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
  const canonical = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join("");
  const text = `PUT${"\n".repeat(12)}${canonical}/${account}/${account}/${bucket}\nrestype:container`;
  const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
  headers.authorization = `SharedKey ${account}:${signature}`;
  const response = await fetch(`${endpoint}/${bucket}?restype=container`, { method: "PUT", headers });
  if (response.status !== 201 && response.status !== 409) {
    throw Object.assign(new Error(await response.text()), { isFinal: true });
  }
}

console.log(`HONEYGUIDE_TEST_S3=${await startS3()}`);
console.log(`HONEYGUIDE_TEST_AZURE=${await startAzure()}`);
console.log("ready");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
