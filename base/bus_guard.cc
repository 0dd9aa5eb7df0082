#include "base/bus_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

#include "base/check.h"

namespace preferd {
namespace {

// The version is odd while the rest changes. What the handler looks for cannot change under it: who reads a
// range keeps it.
struct Slot {
  std::atomic<std::uint32_t> version{0};
  std::atomic<std::uintptr_t> begin{0}, end{0};  // begin 0: free
  std::atomic<bool> lost{false};

  void set(std::uintptr_t first, std::uintptr_t last) {
    ++version;
    begin = first;
    end = last;
    lost = false;
    ++version;
  }
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

// All that a signal handler may know.
constinit std::array<Slot, GuardedRange::kMost> slots{};
constinit std::atomic<std::uintptr_t> page_size{0};
constinit struct sigaction before {};

constinit std::mutex taking;  // of a free slot

// The end of the range that holds the address, marked as lost; 0: none does.
std::uintptr_t lose(std::uintptr_t address) {
  for (Slot& slot : slots) {
    const std::uint32_t version = slot.version;
    const std::uintptr_t begin = slot.begin, end = slot.end;
    if (version % 2 != 0 || slot.version != version || begin == 0) continue;
    if (address < begin || address >= end) continue;
    slot.lost = true;
    return end;
  }
  return 0;
}

void pass_on(int number, siginfo_t* info, void* context) {
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  sigaction(number, &plain, nullptr);
  raise(number);  // arrives when this handler returns
}

extern "C" void on_bus_error(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  if (info->si_code == BUS_ADRERR) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    const std::uintptr_t page = address / page_size * page_size;
    if (const std::uintptr_t end = lose(address); end != 0) {
      void* const zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
      if (zeros != MAP_FAILED) {
        errno = saved;
        return;
      }
    }
  }
  pass_on(number, info, context);
  errno = saved;
}

}  // namespace

void install_bus_guard() {
  static const bool installed = [] {
    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    PREFERD_CHECK(sigaction(SIGBUS, nullptr, &before) == 0 && sigaction(SIGBUS, &action, nullptr) == 0);
    return true;
  }();
  static_cast<void>(installed);
}

std::optional<GuardedRange> GuardedRange::take(std::span<const std::byte> mapped) {
  if (mapped.empty()) return GuardedRange(kMost);
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped.data());
  const std::lock_guard lock(taking);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].begin != 0) continue;
    slots[i].set(begin, begin + mapped.size());
    return GuardedRange(i);
  }
  return std::nullopt;
}

GuardedRange::~GuardedRange() {
  if (slot_ == kMost) return;
  const std::lock_guard lock(taking);
  slots[slot_].set(0, 0);
}

bool GuardedRange::lost() const { return slot_ != kMost && slots[slot_].lost; }

}  // namespace preferd
