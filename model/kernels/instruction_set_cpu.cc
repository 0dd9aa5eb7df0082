#include "model/kernels/instruction_set.h"

#include <cstdlib>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/instruction_set_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

std::size_t PanelWidth() { return 2 * hn::Lanes(Float()); }

const char* InstructionSet() {
  if (HWY_TARGET != HWY_AVX3) return hwy::TargetName(HWY_TARGET);
  return has_amx() ? "AVX-512 VNNI AMX" : has_vnni() ? "AVX-512 VNNI" : "AVX-512";
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(PanelWidth);
HWY_EXPORT(InstructionSet);

namespace {

struct Choice {
  std::string error;
  bool vnni = false, amx = false;
};

#if HWY_ARCH_X86

struct Named {
  const char* name;
  std::int64_t target;
  bool vnni, amx;
};
constexpr Named kNamed[] = {{"avx2", HWY_AVX2, false, false},
                            {"avx512", HWY_AVX3, false, false},
                            {"avx512vnni", HWY_AVX3, true, false},
                            {"amx", HWY_AVX3, true, true}};

// Linux gives the registers of AMX to processes that ask for them (Documentation/arch/x86/xstate.rst).
bool request_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return (d & kTile) != 0 && (d & kInt8) != 0 && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::string names() {
  std::string out;
  for (const Named& n : kNamed) out += (out.empty() ? "" : ", ") + std::string(n.name);
  return out;
}

// A lower bit is a better target.
Choice choose() {
  Choice choice;
  choice.vnni = __builtin_cpu_supports("avx512vnni") != 0;
  choice.amx = choice.vnni && request_amx();
  const char* asked = std::getenv("PREFERD_INSTRUCTION_SET");
  if (asked == nullptr || *asked == '\0') return choice;
  for (const Named& n : kNamed) {
    if (std::string(n.name) != asked) continue;
    if ((hwy::SupportedTargets() & n.target) == 0 || (n.vnni && !choice.vnni) || (n.amx && !choice.amx)) {
      choice.error = std::string("PREFERD_INSTRUCTION_SET: this machine has no ") + asked;
      return choice;
    }
    hwy::DisableTargets(n.target - 1);
    choice.vnni = n.vnni;
    choice.amx = n.amx;
    return choice;
  }
  choice.error = std::string("PREFERD_INSTRUCTION_SET: '") + asked + "' is not one of " + names();
  return choice;
}

#else

std::string names() { return {}; }

Choice choose() {
  const char* asked = std::getenv("PREFERD_INSTRUCTION_SET");
  if (asked == nullptr || *asked == '\0') return {};
  return {std::string("PREFERD_INSTRUCTION_SET: '") + asked +
          "': this machine has only one instruction set to choose"};
}

#endif

const Choice kChoice = choose();

}  // namespace

Status instruction_set_as_asked() {
  if (!kChoice.error.empty()) return invalid(kChoice.error);
  return Ok{};
}

std::string instruction_set_names() { return names(); }

bool has_vnni() { return kChoice.vnni; }

bool has_amx() { return kChoice.amx; }

std::size_t panel_width() { return HWY_DYNAMIC_DISPATCH(PanelWidth)(); }

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(InstructionSet)(); }

}  // namespace preferd::kernels
#endif
