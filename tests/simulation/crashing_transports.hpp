#pragma once

#include <actorwire/transports/transport_factory.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire::test {

/// The calls in which a transport can be made to throw.
enum class transport_call : std::uint8_t { create, init, connect, send, receive };

/// Transports with a defect: they throw where a test wants it, as a transport that breaks its own promises would, and
/// are otherwise those of another factory. What they throw is a crash of the actor that uses them.
/// *Thread:* shard only.
class crashing_transports final : public transport_factory {
public:
  explicit crashing_transports(std::shared_ptr<transport_factory> sound) : sound_(std::move(sound)) {}

  /// The next `times` calls of this kind throw; with `host`, only those of transports that connect there. A transport
  /// has no host before `connect`.
  void crash_in(transport_call where, unsigned times = 1, std::string_view host = {});
  /// Nothing throws any more.
  void stop_crashing() { plans_ = {}; }
  /// How often one has thrown.
  [[nodiscard]] std::size_t crash_count() const noexcept { return crash_count_; }

  [[nodiscard]] result<local_ref<transport>> create_transport(protocol proto, shard& where) override;

  /// Throws if this call was chosen to.
  void pass(transport_call where, const std::string& host);

private:
  struct plan {
    unsigned times = 0;
    std::string host;
  };

  std::shared_ptr<transport_factory> sound_;
  std::array<plan, 5> plans_;
  std::size_t crash_count_ = 0;
};

} // namespace actorwire::test
