#pragma once

#include "message_book.hpp"
#include "probe.hpp"
#include "session_server.hpp"

#include <actorwire/messages/delivery.hpp>

namespace actorwire::test {

/// Holds what `user` was told of every message to a peer that has a session, what its peer counted and what both programs were
/// given against each other; to be called when peer and server have ended. `totals` are those of the peer, and all that it did
/// was told to `user`, who has asked about each message or had it reported.
///
/// - The server was given whole messages, each once and in order; all that were confirmed and none that was not sent.
/// - Of each message that was accepted it is known whether it was confirmed; where not, a `session_lost` names it in the range
///   that its outcome says, by its place in its session.
/// - What the server sent back came once and in order; all that was confirmed to it, and, where no session was lost, all
///   that any of its connections took. So did the last message of the book.
/// - The account of the peer is the sum of all outcomes.
void check_session(const message_book& book, const probe& user, const delivery_totals& totals,
                   const session_log& server);

} // namespace actorwire::test
