// Hides instruction sets from everything a process asks CPUID, so that every engine picks the code that it
// would pick on a lesser CPU.
//
//   gcc -O1 -shared -fPIC -Wl,-z,initfirst -o hide_isa.so hide_isa.c
//   HIDE_ISA=avx2 LD_PRELOAD=./hide_isa.so PROGRAM        hides AVX-512, AMX, AVX-VNNI, GFNI
//   HIDE_ISA=avx512 LD_PRELOAD=./hide_isa.so PROGRAM      hides AMX
//
// Linux on x86-64 whose /proc/cpuinfo has cpuid_fault: arch_prctl(ARCH_CPUID_SET, 0) makes CPUID raise
// SIGSEGV, and the handler answers with the bits cleared. It also holds for threads made later; exec clears it
// and the preload sets it again. The library is initialised before all others (initfirst); otherwise
// constructors that look at the CPU would see the truth. The dynamic loader asks before that, so memcpy and
// the like keep their instructions. The state of XCR0 is not hidden: code that skips CPUID and asks only
// XGETBV is not fooled.
//
// Exits with 97 if it cannot do what was asked, rather than measure something else.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_CPUID_SET 0x1012

static int hide_avx512;

static void clear(uint32_t* word, const char* bits) {
  for (; *bits; ++bits) *word &= ~(1u << (*bits - '0'));
}

static void real_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) {
  syscall(SYS_arch_prctl, ARCH_CPUID_SET, 1);
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
  syscall(SYS_arch_prctl, ARCH_CPUID_SET, 0);
}

// Bit n is written as the character '0' + n.
static void masked_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) {
  real_cpuid(leaf, sub, r);
  if (leaf == 0x1D || leaf == 0x1E || (hide_avx512 && leaf == 0x24)) memset(r, 0, 16);
  if (leaf == 0xD && sub == 0) r[0] &= ~((3u << 17) | (hide_avx512 ? 7u << 5 : 0));
  if (leaf == 7 && sub == 0) {
    clear(&r[3], "FHI");  // 22 amx-bf16, 24 amx-tile, 25 amx-int8
    if (!hide_avx512) return;
    clear(&r[1], "@AEJKLNO");  // 16 f, 17 dq, 21 ifma, 26 pf, 27 er, 28 cd, 30 bw, 31 vl
    clear(&r[2], "168;<>");    // 1 vbmi, 6 vbmi2, 8 gfni, 11 vnni, 12 bitalg, 14 vpopcntdq
    clear(&r[3], "238G");      // 2 4vnniw, 3 4fmaps, 8 vp2intersect, 23 fp16
  }
  if (leaf == 7 && sub == 1) {
    clear(&r[0], "E");  // 21 amx-fp16
    clear(&r[3], "8");  // 8 amx-complex
    if (!hide_avx512) return;
    clear(&r[0], "45G");   // 4 avx-vnni, 5 avx512-bf16, 23 avx-ifma
    clear(&r[3], "45:C");  // 4 avx-vnni-int8, 5 avx-ne-convert, 10 avx-vnni-int16, 19 avx10
  }
}

static void die(const char* what) {
  if (write(2, what, strlen(what)) < 0) _exit(98);
  _exit(97);
}

static void on_fault(int signal_number, siginfo_t* info, void* context) {
  (void)info;
  greg_t* g = ((ucontext_t*)context)->uc_mcontext.gregs;
  const uint8_t* at = (const uint8_t*)g[REG_RIP];
  if (at[0] != 0x0F || at[1] != 0xA2) {
    signal(signal_number, SIG_DFL);  // a real fault: it happens again and ends the process
    return;
  }
  uint32_t r[4];
  masked_cpuid((uint32_t)g[REG_RAX], (uint32_t)g[REG_RCX], r);
  g[REG_RAX] = r[0], g[REG_RBX] = r[1], g[REG_RCX] = r[2], g[REG_RDX] = r[3];
  g[REG_RIP] += 2;
}

// The loader passes main's arguments to constructors; getenv() does not work yet, because libc is initialised
// later.
__attribute__((constructor)) static void hide(int argc, char** argv, char** environment) {
  (void)argc, (void)argv;
  const char* what = 0;
  for (; *environment; ++environment)
    if (strncmp(*environment, "HIDE_ISA=", 9) == 0) what = *environment + 9;
  if (!what || !*what) return;
  hide_avx512 = strcmp(what, "avx2") == 0;
  if (!hide_avx512 && strcmp(what, "avx512") != 0)
    die("hide_isa: HIDE_ISA is unknown, expected avx2 or avx512\n");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGSEGV, &action, 0) != 0 || syscall(SYS_arch_prctl, ARCH_CPUID_SET, 0) != 0)
    die("hide_isa: this CPU or kernel cannot trap CPUID (no cpuid_fault in /proc/cpuinfo)\n");
}
