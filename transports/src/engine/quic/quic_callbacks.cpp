#include "quic_callbacks.hpp"

#include "quic_connection.hpp"
#include "quic_path.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

thread_local amplification_limit* waits_for_proof = nullptr;

} // namespace

/// Has access to what the connection keeps.
struct quic_callbacks {
  static quic_connection& of(void* user) noexcept { return *static_cast<quic_connection*>(user); }

  /// Nothing may be thrown through ngtcp2.
  template <class Body>
  static int guarded(Body&& body) noexcept {
    try {
      body();
      return 0;
    } catch (const std::exception&) {
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
  }

  // -- handshake ---------------------------------------------------------------------------------------------------------

  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, std::uint64_t offset,
                              const std::uint8_t* data, std::size_t size, void* user) {
    auto& self = of(user);
    const auto refuse_with = [conn](gnutls_alert_description_t alert) {
      ::ngtcp2_conn_set_tls_alert(conn, static_cast<std::uint8_t>(alert));
      return NGTCP2_ERR_CRYPTO;
    };
    if (!self.tls_->has_session())
      return refuse_with(GNUTLS_A_UNEXPECTED_MESSAGE);
    // GnuTLS bounds each message, and nothing all of them together.
    if (!self.is_connected_ && !self.tls_->admits_handshake_bytes(size))
      return refuse_with(GNUTLS_A_HANDSHAKE_FAILURE);
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
  }

  static int handshake_completed(ngtcp2_conn*, void* user) {
    return guarded([&] { of(user).handle_connected(); });
  }

  static int handshake_confirmed(ngtcp2_conn*, void* user) {
    of(user).handle_confirmed();
    return 0;
  }

  static int recv_new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) {
    return guarded([&] { of(user).token_.assign(reinterpret_cast<const char*>(token), size); });
  }

  static int recv_version_negotiation(ngtcp2_conn*, const ngtcp2_pkt_hd*, const std::uint32_t* offered,
                                      std::size_t count, void* user) {
    of(user).handle_versions({offered, count});
    return 0;
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    auto& self = of(user);
    return guarded([&] {
      self.end_with(make_error(error_code::reset, self.where(), origin::remote,
                               "the other side does not know the connection any more; it has probably started anew"));
    });
  }

  // -- streams -----------------------------------------------------------------------------------------------------------

  static int stream_open(ngtcp2_conn*, std::int64_t id, void* user) {
    auto& self = of(user);
    return guarded([&] { self.handle_stream_open(static_cast<stream_id>(id)); });
  }

  static int recv_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t,
                              const std::uint8_t* data, std::size_t size, void* user, void*) {
    auto& self = of(user);
    return guarded([&] {
      self.handle_stream_data(static_cast<stream_id>(id), {reinterpret_cast<const std::byte*>(data), size},
                              (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    });
  }

  static int acked_stream_data(ngtcp2_conn*, std::int64_t id, std::uint64_t offset, std::uint64_t size, void* user,
                               void*) {
    auto& self = of(user);
    return guarded([&] { self.handle_acked(static_cast<stream_id>(id), offset, size); });
  }

  static int extend_max_stream_data(ngtcp2_conn*, std::int64_t id, std::uint64_t, void* user, void*) {
    auto& self = of(user);
    return guarded([&] {
      auto* stream = self.streams_.find(static_cast<stream_id>(id));
      if (stream != nullptr && stream->output.has_unsent())
        self.streams_.make_ready(*stream);
    });
  }

  static int stream_reset(ngtcp2_conn*, std::int64_t id, std::uint64_t, std::uint64_t code, void* user, void*) {
    auto& self = of(user);
    return guarded([&] { self.handle_stream_reset(static_cast<stream_id>(id), code); });
  }

#if NGTCP2_VERSION_NUM >= 0x011800 // 1.24; `stream_stop_sending` is about what this side does
  static int recv_stop_sending(ngtcp2_conn*, std::int64_t id, std::uint64_t code, void* user, void*) {
    auto& self = of(user);
    return guarded([&] { self.handle_stream_stopped(static_cast<stream_id>(id), code); });
  }
#endif

  static int stream_close(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t code, void* user, void*) {
    auto& self = of(user);
    const auto is_in_order = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) == 0;
    return guarded([&] {
      self.handle_stream_close(static_cast<stream_id>(id), is_in_order ? std::nullopt : std::optional{code});
    });
  }

  static int extend_max_streams_bidi(ngtcp2_conn*, std::uint64_t, void* user) {
    return guarded([&] { of(user).handle_more_streams(stream_direction::bidirectional); });
  }

  static int extend_max_streams_uni(ngtcp2_conn*, std::uint64_t, void* user) {
    return guarded([&] { of(user).handle_more_streams(stream_direction::unidirectional); });
  }

  // -- datagrams ---------------------------------------------------------------------------------------------------------

  static int recv_datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* data, std::size_t size, void* user) {
    auto& self = of(user);
    return guarded([&] { self.handle_unreliable({reinterpret_cast<const std::byte*>(data), size}); });
  }

  static int lost_datagram(ngtcp2_conn*, std::uint64_t, void* user) {
    ++of(user).figures_.datagrams.lost;
    return 0;
  }

  // -- packets -----------------------------------------------------------------------------------------------------------

  static int decrypt(std::uint8_t* into, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                     const std::uint8_t* sealed, std::size_t size, const std::uint8_t* nonce, std::size_t nonce_size,
                     const std::uint8_t* head, std::size_t head_size) {
    const auto failure =
        ::ngtcp2_crypto_decrypt_cb(into, aead, context, sealed, size, nonce, nonce_size, head, head_size);
    if (failure == 0 && waits_for_proof != nullptr)
      waits_for_proof->note_opened({into, size - aead->max_overhead});
    return failure;
  }

  // -- paths and IDs -----------------------------------------------------------------------------------------------------

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t, void* user) {
    auto& self = of(user);
    return guarded([&] {
      const auto made = self.host_.make_id();
      const auto reset = self.host_.reset_token_for(made, self.settings_.path.local);
      self.host_.add_id(made);
      *id = made.to_ngtcp2();
      std::copy(reset.begin(), reset.end(), token);
    });
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    of(user).host_.remove_id(quic_cid{*id});
    return 0;
  }

  static int dcid_status(ngtcp2_conn*, ngtcp2_connection_id_status_type what, std::uint64_t, const ngtcp2_cid*,
                         const std::uint8_t* token, void* user) {
    // A client has no token before its first NEW_CONNECTION_ID.
    if (token == nullptr)
      return 0;
    return guarded([&] {
      quic_tokens::stateless_reset_token copy;
      std::copy_n(token, copy.size(), copy.begin());
      of(user).handle_peer_id(what == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE, copy);
    });
  }

#if NGTCP2_VERSION_NUM >= 0x010e00 // 1.14
  static int begin_path_validation(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path*,
                                   void* user) {
    auto& self = of(user);
    // That of a path that is not gone yet, such as the preferred address, has no limit.
    if (path_of(*path) == self.path())
      self.asks_for_proof_ = true;
    return 0;
  }
#endif

  static int path_validation(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path* old,
                             ngtcp2_path_validation_result outcome, void* user) {
    auto& self = of(user);
    if (outcome == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
      self.is_proving_ = false;
    // Where it goes back, or on, with another window, pacing begins anew.
    self.paced_until_ = 0;
    // The path of the preferred address and probes of paths that are not used change nothing.
    if (outcome != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS || old == nullptr)
      return 0;
    return guarded([&] { self.handle_path_change(*path); });
  }

  // -- chance ------------------------------------------------------------------------------------------------------------

  static void rand(std::uint8_t* room, std::size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<quic_host*>(context->native_handle)->fill_random({room, size});
  }

  static int get_path_challenge_data(ngtcp2_conn*, std::uint8_t* data, void* user) {
    auto& self = of(user);
    amplification_limit::challenge drawn;
    self.host_.fill_random(drawn);
    if (self.limit_)
      self.limit_->note_challenge(drawn);
    std::ranges::copy(drawn, data);
    return 0;
  }

  // -- records -----------------------------------------------------------------------------------------------------------

  static void write_log(void* user, std::string_view text) {
    auto& self = of(user);
    self.settings_.qlog(text);
  }

  static ngtcp2_callbacks table(bool is_server) noexcept {
    ngtcp2_callbacks made{};
    if (is_server) {
      made.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
      made.client_initial = ngtcp2_crypto_client_initial_cb;
      made.recv_retry = ngtcp2_crypto_recv_retry_cb;
      made.recv_new_token = recv_new_token;
      made.recv_version_negotiation = recv_version_negotiation;
    }
    made.recv_crypto_data = recv_crypto_data;
    made.encrypt = ngtcp2_crypto_encrypt_cb;
    made.decrypt = decrypt;
    made.hp_mask = ngtcp2_crypto_hp_mask_cb;
    made.update_key = ngtcp2_crypto_update_key_cb;
    made.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    made.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    made.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    made.handshake_completed = handshake_completed;
    made.handshake_confirmed = handshake_confirmed;
    made.recv_stateless_reset = recv_stateless_reset;
    made.stream_open = stream_open;
    made.recv_stream_data = recv_stream_data;
    made.acked_stream_data_offset = acked_stream_data;
    made.extend_max_stream_data = extend_max_stream_data;
    made.stream_reset = stream_reset;
#if NGTCP2_VERSION_NUM >= 0x011800
    made.recv_stop_sending = recv_stop_sending;
#endif
    made.stream_close = stream_close;
    made.extend_max_local_streams_bidi = extend_max_streams_bidi;
    made.extend_max_local_streams_uni = extend_max_streams_uni;
    made.recv_datagram = recv_datagram;
    made.lost_datagram = lost_datagram;
    made.get_new_connection_id = get_new_connection_id;
    made.remove_connection_id = remove_connection_id;
    made.dcid_status = dcid_status;
#if NGTCP2_VERSION_NUM >= 0x010e00
    made.begin_path_validation = begin_path_validation;
#endif
    made.path_validation = path_validation;
    made.rand = rand;
    made.get_path_challenge_data = get_path_challenge_data;
    return made;
  }
};

proof_knowledge proof_knowledge_here() noexcept {
  static const auto here = proof_knowledge_of(NGTCP2_VERSION_NUM, ::ngtcp2_version(0)->version_num);
  return here;
}

proof_watch::proof_watch(amplification_limit* limit) noexcept : outer_(std::exchange(waits_for_proof, limit)) {}

proof_watch::~proof_watch() {
  waits_for_proof = outer_;
}

void quic_qlog_writer(void* connection, std::uint32_t, const void* text, std::size_t size) {
  quic_callbacks::write_log(connection, {static_cast<const char*>(text), size});
}

const ngtcp2_callbacks& quic_callbacks_for(bool is_server) noexcept {
  static const auto for_server = quic_callbacks::table(true);
  static const auto for_client = quic_callbacks::table(false);
  return is_server ? for_server : for_client;
}

} // namespace actorwire
