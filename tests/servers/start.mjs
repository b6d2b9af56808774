// Starts an S3 server, Azurite and a proxy for Google's clients on free ports of the loopback interface. Their data is in
// the folder that the argument names. The S3 server has the buckets `lake` and `lake-of-google`, Azurite the container
// `lake`. Prints the addresses of the servers, then waits until standard input ends.
import { createHmac } from "node:crypto";
import { rm } from "node:fs/promises";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer as createWebServer, request } from "node:http";
import { createServer } from "node:net";
import { basename, dirname, join, resolve } from "node:path";

const require = createRequire(import.meta.url);
const folder = resolve(process.argv[2]);
const bucket = "lake";
const googleBucket = "lake-of-google";
// Azurite's default account, which is public: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

// Returns a port that is free at the moment.
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Starts the S3 server and returns its address.
async function startS3() {
  const S3rver = require("s3rver");
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: join(folder, "s3"),
    configureBuckets: [{ name: bucket }, { name: googleBucket }],
  });
  const { port } = await server.run();
  return `http://127.0.0.1:${port}`;
}

// Starts a proxy for the S3 server and returns its address. The proxy can abort a multipart upload, which the server cannot
// do: it removes the folder of the upload.
//
// Google's clients use a second proxy of this kind. For the calls that object_store makes, Google's XML API equals S3's:
// https://cloud.google.com/storage/docs/interoperability. (gcp-storage-emulator 2026.7.19 on PyPI does not support multipart
// uploads of this API.) There are two differences: Google's clients send an empty token, and the header
// x-goog-if-generation-match with 0 requires that the object does not exist yet.
async function startProxy(s3) {
  const { hostname, port } = new URL(s3);
  const forward = (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const outgoing = request({ hostname, port, method, path, headers }, resolve).on("error", reject);
      if (body) body.pipe(outgoing);
      else outgoing.end();
    });
  const respond = async (incoming, response) => {
    const { authorization, "x-goog-if-generation-match": generation, ...headers } = incoming.headers;
    if (authorization && authorization !== "Bearer") headers.authorization = authorization;
    const respondWith = (status) => {
      incoming.resume();
      response.writeHead(status, { "content-length": 0 }).end();
    };
    const { pathname, searchParams } = new URL(incoming.url, s3);
    const bucketName = decodeURIComponent(pathname.split("/")[1]);
    const upload = searchParams.get("uploadId");
    if (incoming.method === "DELETE" && upload) {
      const uploads = join(folder, "s3", bucketName, "._S3rver_uploads");
      await rm(join(uploads, basename(upload)), { recursive: true });
      return respondWith(204);
    }
    if (generation === "0") {
      const found = await forward("HEAD", incoming.url, {});
      found.resume();
      if (found.statusCode === 200) return respondWith(412);
    }
    const answer = await forward(incoming.method, incoming.url, headers, incoming);
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  };
  const server = createWebServer((incoming, response) => {
    respond(incoming, response).catch(() => response.writeHead(502, { "content-length": 0 }).end());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

// Starts Azurite with one container and returns the address of its account.
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

// Creates the container with a request that is signed with the shared key:
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
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

const s3 = await startS3();
console.log(`HONEYGUIDE_TEST_S3=${await startProxy(s3)}`);
// Tests look for unfinished uploads in this folder, because the server does not list them.
console.log(`HONEYGUIDE_TEST_S3_FOLDER=${join(folder, "s3")}`);
console.log(`HONEYGUIDE_TEST_GOOGLE=${await startProxy(s3)}`);
console.log(`HONEYGUIDE_TEST_AZURE=${await startAzure()}`);
console.log("ready");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
