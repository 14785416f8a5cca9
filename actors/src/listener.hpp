#pragma once

#include "accept_actor.hpp"
#include "close_round.hpp"
#include "seam/shard_actor.hpp"

#include <actorwire/actors/type_ids.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace actorwire {

/// One listening address. The sockets and connections are kept by an `accept_actor` on each shard; this one passes on
/// what the user wants and adds up what they report.
class listener final : public shard_actor<listener_actor::base> {
public:
  /// `opened` is called once, on the shard, with the address that was taken or the reason why not.
  listener(caf::actor_config& config, std::shared_ptr<shard_context> home, accept_settings settings,
           std::function<void(result<endpoint>)> opened);

  behavior_type make_behavior() override;

private:
  result<endpoint> open();
  caf::typed_response_promise<close_report> handle(const close& request);
  /// The receiver has ended. Nobody could hear of further connections; those that it passed on stay.
  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  template <class Message>
  void tell_all(const Message& message) {
    for (const auto& part : parts_)
      send_to(part, message);
  }

  accept_settings wanted_;
  std::shared_ptr<accept_budget> budget_;
  std::function<void(result<endpoint>)> opened_;
  std::vector<caf::actor> parts_;
  close_round closing_;
  bool is_suspended_ = false;
  bool has_lost_receiver_ = false;
};

} // namespace actorwire
