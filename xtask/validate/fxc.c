// Compiles HLSL with Microsoft's older compiler, as wgpu does, for shader model 5.1: fxc FILE.. Prints what is wrong; exits with 1 if something is.
#include <stdio.h>
#include <windows.h>

#include <d3dcompiler.h>

int main(int count, char** arguments) {
    HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
    pD3DCompile compile = library ? (pD3DCompile)GetProcAddress(library, "D3DCompile") : NULL;
    if (!compile) {
        fprintf(stderr, "d3dcompiler_47.dll cannot be loaded (%lu)\n", GetLastError());
        return 2;
    }
    static char source[1 << 20];
    int wrong = 0;
    for (int i = 1; i < count; ++i) {
        FILE* file = fopen(arguments[i], "rb");
        if (!file) {
            fprintf(stderr, "%s cannot be read\n", arguments[i]);
            return 2;
        }
        const size_t bytes = fread(source, 1, sizeof source, file);
        fclose(file);
        if (bytes == sizeof source) {
            fprintf(stderr, "%s is too long\n", arguments[i]);
            return 2;
        }
        const DWORD start = GetTickCount();
        ID3DBlob* code = NULL;
        ID3DBlob* messages = NULL;
        const HRESULT status = compile(source, bytes, arguments[i], NULL, NULL, "main", "cs_5_1", D3DCOMPILE_ENABLE_STRICTNESS, 0, &code, &messages);
        const DWORD took = GetTickCount() - start;
        if (took > 10000) {
            printf("%s: %lu s\n", arguments[i], took / 1000);
            fflush(stdout);
        }
        // Warnings are of what naga writes, and not shown.
        if (FAILED(status)) {
            if (messages) {
                fprintf(stderr, "%s\n", (char*)messages->lpVtbl->GetBufferPointer(messages));
            }
            fprintf(stderr, "%s: not compiled (0x%lx)\n", arguments[i], (unsigned long)status);
            wrong = 1;
        }
        if (code) {
            code->lpVtbl->Release(code);
        }
        if (messages) {
            messages->lpVtbl->Release(messages);
        }
    }
    return wrong;
}
