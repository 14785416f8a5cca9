#pragma once

#include "probe.hpp"
#include "simulated_network.hpp"

#include <actorwire/messages/endpoint.hpp>

#include <vector>

namespace actorwire::test {

/// Holds the messages that `user` received from a peer of `endpoints`, whose servers send back what they get, against what
/// arrived at this end of its connections. Those of one generation are those of one connection, by the endpoint that
/// `opened` named, from its first message on, in order and without a gap; those of a later one are of a later connection. Of
/// the last generation that brought any, all are there: to be called when nothing is on its way any more. No message may be
/// there twice.
void check_echoes(const probe& user, const simulated_network& hosts, const std::vector<endpoint>& endpoints);

} // namespace actorwire::test
