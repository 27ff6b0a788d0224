// Runs a WASI program under Node:  node run.mjs PROGRAM.wasm FOLDER [ARGUMENT...]
// The program sees FOLDER as /files, and nothing else of the machine.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [program, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [program, ...args], preopens: { '/files': folder } });
const { instance } = await WebAssembly.instantiate(await readFile(program), { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
