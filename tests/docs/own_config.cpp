// A program with a configuration class of its own.

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <string>

// [config]
class my_config : public actorwire::system_config {
public:
  std::string server = "tcp://127.0.0.1:6379";

  my_config() { opt_group{custom_options_, "global"}.add(server, "server,s", "where to connect"); }
};
// [/config]

int main() {
  my_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
}
