#include "net/tls.hpp"

#include <openssl/ssl.h>

namespace troupe {
namespace {

namespace ssl = boost::asio::ssl;
using error = boost::system::error_code;

// Of TLS 1.2; those of 1.3 are all fine.
constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

failure no_file(std::string_view what, const std::string& file, const error& why) {
  return {.code = error_code::io_error,
          .message = "cannot use " + file + " as " + std::string(what) + ": " + why.message(),
          .field = file};
}

}  // namespace

outcome<std::shared_ptr<ssl::context>> load_tls(const std::string& cert_file,
                                                const std::string& key_file) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  auto* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(
      native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cipher_list(native, ciphers);
  // An idle connection then holds no buffers of OpenSSL's.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  error why;
  context->use_certificate_chain_file(cert_file, why);
  if (why) return no_file("the certificate", cert_file, why);
  context->use_private_key_file(key_file, ssl::context::pem, why);
  if (why) return no_file("the certificate's key", key_file, why);
  return context;
}

}  // namespace troupe
