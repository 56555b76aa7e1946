// Reads an AsyncAPI document as every tool of AsyncAPI does, and tells what is wrong with it.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
for (const { code, path, message } of diagnostics) console.log(`${code} ${path.join(".")}: ${message}`);
if (!document || diagnostics.length) process.exit(1);
