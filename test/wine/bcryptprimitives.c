// The one function of Windows' bcryptprimitives.dll that Rust programs call, for Wine older than 9, which lacks it.
unsigned char __stdcall SystemFunction036(void *into, unsigned long bytes);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *into, unsigned long long bytes) {
  return SystemFunction036(into, (unsigned long)bytes);
}
