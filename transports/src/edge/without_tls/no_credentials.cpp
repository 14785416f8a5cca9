// What stands in the place of TLS in a build without it: nobody has credentials there, and whoever asks for some is told why.

#include "edge/accept_tls.hpp"
#include "edge/left_out.hpp"
#include "edge/shard_answer.hpp"
#include "edge/tls_store.hpp"

#include <cstdlib>
#include <memory>
#include <utility>

namespace actorwire {

namespace {

using interest = shard_answer<tls_store::answer>;

tls_store::query refuse(shard& where, std::function<void(tls_store::answer)> done) {
  const auto asking = std::make_shared<interest>(where, std::move(done));
  interest::deliver(asking, make_left_out(protocol::tls));
  return {asking.get(), [asking](void*) { asking->withdraw(); }};
}

} // namespace

class tls_store::state {};

tls_store::tls_store(key_password_function) {}

tls_store::~tls_store() = default;

tls_store::query tls_store::find(tls_role, const tls_config&, shard& where, std::function<void(answer)> done) {
  return refuse(where, std::move(done));
}

tls_store::query tls_store::reload(tls_role, const tls_config&, shard& where, std::function<void(answer)> done) {
  return refuse(where, std::move(done));
}

tls_store::answer tls_store::load(tls_role, const tls_config&) {
  return make_left_out(protocol::tls);
}

local_ref<transport> accept_tls(shard&, local_ref<transport>, std::shared_ptr<const tls_credentials>) {
  // Nobody can have credentials to come here with. What was meant to be encrypted must not go on in the clear.
  std::abort();
}

} // namespace actorwire
