/* Troupe in plain C: an answer at once, an answer token by token, an answer that is cancelled. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "troupe/troupe.h"

/* What the callbacks tell the main thread. */
struct progress {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  size_t num_tokens;
  int num_ends;
  troupe_finish_reason why;
};

static void on_tokens(void* user, uint64_t request, const char* text, size_t text_size,
                      const int32_t* tokens, size_t num_tokens) {
  struct progress* p = user;
  (void)request, (void)tokens;
  fwrite(text, 1, text_size, stdout);
  pthread_mutex_lock(&p->lock);
  p->num_tokens += num_tokens;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

static void on_end(void* user, uint64_t request, const troupe_answer* answer) {
  struct progress* p = user;
  (void)request;
  pthread_mutex_lock(&p->lock);
  p->why = troupe_answer_finish_reason(answer);
  ++p->num_ends;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

static void leave_with(const char* what, const troupe_failure* why) {
  fprintf(stderr, "%s: %s (%s)\n", what, why->message, why->field);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL_DIR PROMPT\n", argv[0]);
    return 2;
  }
  troupe_failure why;
  troupe_engine_options options;
  troupe_engine_options_init(&options, sizeof(options));
  options.model_dir = argv[1];
  options.kv_cache_bytes = 64u << 20;
  troupe_engine* engine;
  if (troupe_engine_start(&options, &engine, &why) != TROUPE_OK) leave_with("start", &why);

  troupe_request request;
  troupe_request_init(engine, &request, sizeof(request));
  request.text = argv[2];
  request.temperature = 0;
  request.max_tokens = 32;

  troupe_answer* answer;
  if (troupe_complete(engine, &request, &answer, &why) != TROUPE_OK) leave_with("complete", &why);
  if (troupe_answer_failure(answer, &why) != TROUPE_OK) leave_with("answer", &why);
  printf("whole: %s\n", troupe_answer_text(answer));
  printf("tokens: %zu of the prompt %u\n", troupe_answer_num_tokens(answer),
         troupe_answer_prompt_tokens(answer));
  troupe_answer_free(answer);

  struct progress p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0,
                       TROUPE_FINISH_FAILED};
  printf("streamed: ");
  if (troupe_generate(engine, &request, on_tokens, on_end, &p, NULL, &why) != TROUPE_OK)
    leave_with("generate", &why);
  pthread_mutex_lock(&p.lock);
  while (p.num_ends == 0) pthread_cond_wait(&p.changed, &p.lock);
  printf("\ntokens: %zu\n", p.num_tokens);

  /* A long answer that nobody wants any more after its first token. */
  uint64_t id;
  request.ignore_eos = 1;
  request.max_tokens = troupe_max_model_len(engine) - 64;
  p.num_tokens = 0;
  printf("cancelled: ");
  pthread_mutex_unlock(&p.lock);
  if (troupe_generate(engine, &request, on_tokens, on_end, &p, &id, &why) != TROUPE_OK)
    leave_with("generate", &why);
  pthread_mutex_lock(&p.lock);
  while (p.num_tokens == 0) pthread_cond_wait(&p.changed, &p.lock);
  troupe_cancel(engine, id);
  while (p.num_ends == 1) pthread_cond_wait(&p.changed, &p.lock);
  printf("\nends: %d, the last %s\n", p.num_ends,
         p.why == TROUPE_FINISH_CANCELLED ? "cancelled" : "not cancelled");
  pthread_mutex_unlock(&p.lock);

  request.temperature = -1;
  if (troupe_complete(engine, &request, &answer, &why) == TROUPE_OK) return 1;
  printf("refused: %s\n", why.field);
  troupe_engine_free(engine);
  return 0;
}
