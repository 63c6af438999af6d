#include "load/server_watch.hpp"

#include <doctest/doctest.h>

using namespace troupe::load;

TEST_CASE("what Prometheus' text says of a server") {
  auto sample = parse_metrics(
      "# HELP vllm:num_requests_running Requests.\n"
      "vllm:num_requests_running{model_name=\"a\",engine=\"0\"} 3\n"
      "vllm:num_requests_running{model_name=\"a\",engine=\"1\"} 4\n"
      "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 9\n"
      "vllm:kv_cache_usage_perc{model_name=\"a\"} 0.25\n"
      "troupe_replicas{model_name=\"a\",state=\"starting\"} 1\n"
      "troupe_replicas{model_name=\"a\",state=\"ready\"} 2\n"
      "process_resident_memory_bytes 1048576\n");
  CHECK(sample.running == 7);
  CHECK(sample.waiting == -1);  // of another family's name is no count
  CHECK(sample.kv_use == 0.25);
  CHECK(sample.replicas == 2);
  CHECK(sample.memory_bytes == 1048576);
  CHECK(sample.load == -1);
}

TEST_CASE("one process is one replica") {
  CHECK(parse_metrics("troupe_replica_ready{model_name=\"a\"} 1\n").replicas == 1);
  CHECK(parse_metrics("").replicas == -1);
}
