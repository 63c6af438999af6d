#include "link/tls_identity.hpp"

#include <openssl/err.h>

#include <array>
#include <new>

namespace troupe {
namespace {

failure cannot_use(const std::string& what, const std::string& file) {
  return {error_code::io_error, "cannot use " + file + " as " + what + ": " + describe_tls_error(),
          file};
}

}  // namespace

std::string describe_tls_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection ended";
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

outcome<std::shared_ptr<const tls_identity>> tls_identity::load(const tls_files& files) {
  std::shared_ptr<tls_identity> out(new tls_identity(SSL_CTX_new(TLS_method())));
  auto* context = out->context_.get();
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // An end without a word of TLS is an end: every message says how long it is.
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_num_tickets(context, 0);  // nobody comes back to a connection
  if (SSL_CTX_use_certificate_chain_file(context, files.cert.c_str()) != 1)
    return cannot_use("the certificate", files.cert);
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return cannot_use("the certificate's key", files.key);
  if (SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr) != 1)
    return cannot_use("the authority", files.ca);
  return std::shared_ptr<const tls_identity>(std::move(out));
}

ssl_ptr tls_identity::begin(int descriptor, bool is_server) const {
  ssl_ptr out(SSL_new(context_.get()));
  if (out == nullptr || SSL_set_fd(out.get(), descriptor) != 1) throw std::bad_alloc();
  if (is_server)
    SSL_set_accept_state(out.get());
  else
    SSL_set_connect_state(out.get());
  return out;
}

}  // namespace troupe
