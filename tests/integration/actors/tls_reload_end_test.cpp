// Listeners and supervisors that end while their files are read anew: whoever asked is answered.

#include "tls_reload.hpp"

#include <vector>

namespace actorwire::test {

namespace {

/// A network whose encrypted keys are opened when a gate lets them.
network_options asking_at(gate& before_key) {
  auto options = program::two_shards();
  options.key_password = [&before_key](std::string_view) {
    before_key.pass();
    return password_of("encrypted");
  };
  return options;
}

template <class Handle>
void end(const Handle& whom, bool by_force) {
  if (by_force)
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  else
    anonymous_tell(whom, close{close_mode::abort, 5s});
}

/// Asks once, from an actor of its own.
template <class Handle>
std::shared_ptr<answers> begin_reload(program& here, const Handle& whom, const reload_tls& request = {}) {
  auto found = std::make_shared<answers>();
  ask_often(here, whom, request, 1, found);
  return found;
}

} // namespace

TEST_CASE("the end of a listener while its files are read answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  const identity_folder files{"encrypted"};
  const auto server = must_listen(here, echo, listener_of(files));
  before_key.close();
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, server.listener);
  before_key.await(asked + 1);
  end(server.listener, by_force);
  wait_until("who asked is answered", [&] { return found->refused == 1; });
}

TEST_CASE("the end of a listener whose parts have yet to take the new certificate answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  gate on_other_shard;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  const opening at_last_too{on_other_shard};
  witness me{here.system};
  const identity_folder files{"encrypted"};
  const auto server = must_listen(here, echo, listener_of(files));
  // The listener lives on the first shard, and has a part on the second, which does nothing from now on.
  on_other_shard.close();
  const auto blocking = here.net->spawn_on_shard(1, [&](caf::event_based_actor*) -> caf::behavior {
    on_other_shard.pass();
    return {[](int) {}};
  });
  on_other_shard.await(1);
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, server.listener);
  before_key.await(asked + 1);
  before_key.close();
  const auto next = begin_reload(here, server.listener);
  // The files of the second are read after those of the first are, so the listener knows of these.
  before_key.await(asked + 2);
  stats_of(me, server);
  CHECK(found->all() == 0);
  end(server.listener, by_force);
  if (by_force)
    wait_until("both are refused", [&] { return found->refused == 1 && next->refused == 1; });
  on_other_shard.open();
  wait_until("both are answered", [&] { return found->all() == 1 && next->all() == 1; });
  caf::anon_send_exit(blocking, caf::exit_reason::user_shutdown);
}

TEST_CASE("the end of a supervisor while files are read answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  witness me{here.system};
  const identity_folder files{"encrypted"};
  listen_config config;
  const auto own = identity_in_memory("server-ec");
  config.transport.tls.certificate = own.certificate;
  config.transport.tls.key = own.key;
  const auto server = must_listen(here, echo, config);
  auto shown = trusting();
  shown.certificate.file = files.certificate();
  shown.key.file = files.key();
  clients all{here, server, shown};
  all.look(me);
  before_key.close();
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, here.net->supervisor());
  before_key.await(asked + 1);
  end(here.net->supervisor(), by_force);
  wait_until("who asked is answered", [&] { return found->refused == 1; });
}

} // namespace actorwire::test
