// Who this process is to its peers over TLS: its certificate, and the authority that both sides
// must have been signed by.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "core/outcome.hpp"

namespace troupe {

struct tls_files {
  std::string cert, key, ca;  // PEM
};

struct ssl_deleter {
  void operator()(SSL* one) const { SSL_free(one); }
  void operator()(SSL_CTX* one) const { SSL_CTX_free(one); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_deleter>;

class tls_identity {
 public:
  // TLS 1.3 only: both ends are ours. A failure names the file.
  static outcome<std::shared_ptr<const tls_identity>> load(const tls_files& files);
  // One end of a connection, before its handshake.
  ssl_ptr begin(int descriptor, bool is_server) const;

 private:
  explicit tls_identity(SSL_CTX* context) : context_(context) {}
  std::unique_ptr<SSL_CTX, ssl_deleter> context_;
};

// What OpenSSL's last call of this thread went wrong with.
std::string describe_tls_error();

}  // namespace troupe
