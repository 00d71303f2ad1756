// What Rust's standard library asks of bcryptprimitives.dll, which Wine 8 does not have.
#include <windows.h>

// RtlGenRandom, by the name that it is exported under.
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return SystemFunction036(bytes, (ULONG)count);
}
