// Compiles HLSL with Microsoft's compiler, for one of three shader models that wgpu asks for in turn: dxc LIBRARY FILE.. Prints what is wrong;
// exits with 1 if something is.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "dxcapi.h"

int main(int count, char** arguments) {
    void* library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    auto create = reinterpret_cast<DxcCreateInstanceProc>(dlsym(library, "DxcCreateInstance"));
    IDxcLibrary* blobs = nullptr;
    IDxcCompiler* compiler = nullptr;
    if (!create || create(CLSID_DxcLibrary, __uuidof(IDxcLibrary), reinterpret_cast<void**>(&blobs)) ||
        create(CLSID_DxcCompiler, __uuidof(IDxcCompiler), reinterpret_cast<void**>(&compiler))) {
        fprintf(stderr, "%s has no compiler\n", arguments[1]);
        return 2;
    }
    const wchar_t* const models[] = {L"cs_6_0", L"cs_6_2", L"cs_6_6"};
    int wrong = 0;
    for (int i = 2; i < count; ++i) {
        std::ifstream file(arguments[i]);
        std::stringstream text;
        text << file.rdbuf();
        const std::string source = text.str();
        const std::string name(arguments[i]);
        IDxcBlobEncoding* blob = nullptr;
        blobs->CreateBlobWithEncodingOnHeapCopy(source.data(), source.size(), CP_UTF8, &blob);
        const wchar_t* model = models[i % 3];
        IDxcOperationResult* result = nullptr;
        HRESULT status = compiler->Compile(blob, std::wstring(name.begin(), name.end()).c_str(), L"main", model, nullptr, 0, nullptr,
                                           0, nullptr, &result);
        if (status == S_OK) {
            result->GetStatus(&status);
        }
        // Warnings are of what naga writes, and not shown.
        if (status != S_OK) {
            IDxcBlobEncoding* errors = nullptr;
            if (result && result->GetErrorBuffer(&errors) == S_OK && errors) {
                fprintf(stderr, "%.*s\n", static_cast<int>(errors->GetBufferSize()), static_cast<char*>(errors->GetBufferPointer()));
            }
            fprintf(stderr, "%s: not compiled for %ls (0x%x)\n", arguments[i], model, static_cast<unsigned>(status));
            wrong = 1;
        }
        if (result) {
            result->Release();
        }
        blob->Release();
    }
    // The library does not survive its own destructors.
    fflush(stderr);
    _exit(wrong);
}
