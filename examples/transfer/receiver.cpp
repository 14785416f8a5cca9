#include "receiver.hpp"

#include "part_file.hpp"
#include "protocol.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace transfer {

namespace {

using namespace std::chrono_literals;

class receiver : public caf::event_based_actor {
public:
  receiver(caf::actor_config& config, std::filesystem::path folder)
    : caf::event_based_actor(config), folder_(std::move(folder)) {}

  caf::behavior make_behavior() override {
    return {
        [this](actorwire::accepted& event) { welcome(event); },
        [this](actorwire::received& event) { handle(event); },
        [this](const actorwire::state_changed& event) {
          if (event.to == actorwire::connection_state::closed)
            clients_.erase(event.source);
        },
        [](const actorwire::opened&) {},
        [](const actorwire::peer_closing&) {},
    };
  }

  /// A subscriber and its connections keep each other alive; one of them must let go.
  void on_exit() override { clients_.clear(); }

private:
  /// The other end of a connection, and the file that it brings.
  struct client {
    actorwire::connection_actor connection;
    std::shared_ptr<part_file> part;
    bool is_refused = false;
  };

  void welcome(actorwire::accepted& event) {
    const auto id = event.info.id;
    clients_[id].connection = event.connection;
    // Answers that are lost are asked for again after the next connect, so losses are of no interest here.
    ask(this, event.connection, caf::infinite,
        actorwire::subscribe{actorwire::event_mask::data | actorwire::event_mask::state,
                             actorwire::credit_mode::automatic})
        .then([](const actorwire::connection_status&) {}, [this, id](const caf::error&) { clients_.erase(id); });
  }

  void handle(actorwire::received& event) {
    const auto found = clients_.find(event.source);
    if (found == clients_.end() || found->second.is_refused)
      return;
    auto& from = found->second;
    const auto read = decode(event.body);
    if (!read) {
      refuse(from, read.error().text);
      return;
    }
    try {
      std::visit([&](const auto& what) { handle(from, what); }, *read);
    } catch (const std::system_error& failure) {
      // Where the file lies is nobody else's business.
      refuse(from, "cannot store the file: " + failure.code().message(), failure.what());
    }
  }

  void handle(client& from, const offer& wanted) {
    from.part = part_for(wanted);
    if (from.part)
      answer(from, encode(from.part->present()));
    else
      refuse(from, "another file of this name is just being received");
  }

  void handle(client& from, const chunk& what) {
    if (!from.part || what.index >= from.part->present().count()
        || what.bytes.size() != from.part->description().shape.size_of(what.index)) {
      refuse(from, "a chunk that was not offered");
      return;
    }
    from.part->write(what.index, what.bytes.bytes());
    answer(from, encode(acknowledgement{what.index}));
  }

  void handle(client& from, const finish&) {
    if (!from.part) {
      refuse(from, "the end of a file that was not offered");
      return;
    }
    if (!from.part->present().is_full()) {
      answer(from, encode(from.part->present()));
      return;
    }
    const auto& wanted = from.part->description();
    const auto stored = from.part->finish();
    const auto is_right = stored == wanted.content;
    std::printf("%s %s, SHA-256 %s\n", is_right ? "stored" : "threw away", wanted.name.c_str(), to_hex(stored).c_str());
    std::fflush(stdout);
    answer(from, encode(finished{stored}));
    if (!is_right)
      parts_.erase(wanted.name);
  }

  /// What only a receiver says.
  template <class Answer>
  void handle(client& from, const Answer&) {
    refuse(from, "a message that a sender does not send");
  }

  /// Connections that bring the same file share it; it is closed with the last of them.
  std::shared_ptr<part_file> part_for(const offer& wanted) {
    std::erase_if(parts_, [](const auto& entry) { return entry.second.expired(); });
    auto& known = parts_[wanted.name];
    if (auto part = known.lock())
      return part->description() == wanted ? part : nullptr;
    auto part = std::make_shared<part_file>(folder_, wanted);
    const auto present = part->present().size();
    std::printf("receiving %s, %.1f MB, %u of %u chunks were here already\n", wanted.name.c_str(),
                static_cast<double>(wanted.shape.size) / 1e6, present, part->present().count());
    std::fflush(stdout);
    known = part;
    return part;
  }

  void answer(client& to, actorwire::payload message) {
    tell(this, to.connection, actorwire::cast{std::move(message), {}});
  }

  /// Says why and hangs up. `detail` is what only this side may know.
  void refuse(client& whom, const std::string& reason, const std::string& detail = {}) {
    std::printf("refused: %s\n", detail.empty() ? reason.c_str() : detail.c_str());
    std::fflush(stdout);
    answer(whom, encode(refusal{reason}));
    whom.part = nullptr;
    whom.is_refused = true;
    ask(this, whom.connection, caf::infinite, actorwire::close{actorwire::close_mode::flush, 5s})
        .then([](const actorwire::close_report&) {}, [](const caf::error&) {});
  }

  std::filesystem::path folder_;
  std::map<actorwire::connection_id, client> clients_;
  std::map<std::string, std::weak_ptr<part_file>> parts_;
};

} // namespace

caf::actor spawn_receiver(caf::actor_system& system, const std::filesystem::path& folder) {
  return system.spawn<receiver, caf::detached>(folder);
}

} // namespace transfer
