#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <memory>

namespace actorwire {

class tls_store;

/// Makes transports. Programs that bring a transport of their own, and tests that simulate one, derive from it.
/// *Thread:* any thread; the transport belongs to `where` from then on.
class transport_factory {
public:
  virtual ~transport_factory() = default;

  /// Makes an unconnected transport that lives on `where`.
  /// *Errors:* `unsupported` for a protocol that this factory does not know.
  [[nodiscard]] virtual result<local_ref<transport>> create_transport(protocol proto, shard& where) = 0;

  /// Told by a network that is given the factory where its TLS finds credentials, so that `reload_tls` and
  /// `network_options::key_password` concern the factory's transports too. Nothing by default.
  /// *Thread:* that of the network's constructor, before it has any transport made.
  virtual void use(const std::shared_ptr<tls_store>&) {}
};

/// Whether this build of the library has a transport for `proto`: `tcp` always, `tls` and `quic` unless it was built without.
/// *Thread:* any thread.
[[nodiscard]] ACTORWIRE_EXPORT bool is_supported(protocol proto) noexcept;

/// The transports on the operating system's sockets.
class ACTORWIRE_EXPORT socket_transport_factory final : public transport_factory {
public:
  /// `identities` is where TLS finds its credentials; null: in those of the first network that is given the factory, and
  /// without any network in a store of its own.
  explicit socket_transport_factory(std::shared_ptr<resolver> names, std::shared_ptr<tls_store> identities = nullptr);

  [[nodiscard]] result<local_ref<transport>> create_transport(protocol proto, shard& where) override;

  void use(const std::shared_ptr<tls_store>& identities) override;

private:
  std::shared_ptr<resolver> names_;
  std::shared_ptr<tls_store> identities_;
  /// Whether nobody has said yet where credentials are.
  bool is_on_its_own_;
};

} // namespace actorwire
