// Compiles WGSL with Tint, by Dawn's null backend, which needs no driver: node tint.mjs FILE.. Prints what is wrong;
// exits with 1 if something is. A part at a time, as Dawn keeps every module.
import { readFileSync } from 'node:fs';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
// Held to the end: Dawn aborts where it is collected before.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const requiredFeatures = ['subgroups'].filter((feature) => adapter.features.has(feature));
const device = await adapter.requestDevice({ requiredFeatures });
let wrong = 0;
for (const file of process.argv.slice(2)) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: readFileSync(file, 'utf8') });
    const { messages } = await module.getCompilationInfo();
    await device.popErrorScope();
    for (const { type, lineNum, message } of messages) {
        console.log(`${file}:${lineNum}: ${type}: ${message}`);
        wrong += type === 'error';
    }
}
process.exit(wrong ? 1 : 0);
