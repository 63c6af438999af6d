/* Troupe in C: one engine behind opaque handles. Nothing here throws, aborts or keeps global state;
   every function may be called from any thread, also from a callback. Texts are UTF-8; sizes are in
   bytes. A null pointer where one is needed is refused with TROUPE_INVALID_ARGUMENT.

   Structs carry their own size. troupe_X_init takes the caller's sizeof and writes what library and
   caller both know: the library takes its defaults for members that the caller was built without,
   and does not look at those that it does not know itself. */
#ifndef TROUPE_H
#define TROUPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_ABI_VERSION 1

/* The library that runs, which may be another one than was compiled against. */
const char* troupe_version(void); /* "0.1.0" */
int troupe_abi_version(void);

typedef enum troupe_code {
  TROUPE_OK = 0,
  TROUPE_INVALID_ARGUMENT = 1,
  TROUPE_NOT_FOUND = 2,
  TROUPE_TOO_LARGE = 3,
  TROUPE_QUEUE_FULL = 4,
  TROUPE_TIMED_OUT = 5,
  TROUPE_ENGINE_FAILED = 6,
  TROUPE_SHUTTING_DOWN = 7,
  TROUPE_IO_ERROR = 8,
  TROUPE_UNSUPPORTED = 9,
  TROUPE_CONSTRAINT_FAILED = 10
} troupe_code;

/* The caller's own; a text that is too long is cut at the end. */
typedef struct troupe_failure {
  int32_t code; /* a troupe_code */
  char message[500];
  char field[64]; /* the member that is to blame; empty: none alone */
} troupe_failure;

typedef struct troupe_engine troupe_engine;
typedef struct troupe_answer troupe_answer;

typedef struct troupe_engine_options {
  size_t size;
  const char* model_dir; /* a Qwen2.5 directory in Hugging Face layout */
  const char* device;    /* "cpu", "cuda", "auto", "null" or "sim" */
  const char* dtype;     /* "auto", "bfloat16" or "float32" */
  const char* weights;   /* "auto", "none", "int8" or "int4" */
  uint64_t seed;         /* of dummy weights, and of requests that give none */
  uint32_t dummy_weights; /* not 0: random ones instead of the directory's */
  uint32_t max_model_len; /* tokens; 0: what the model can do */
  uint32_t max_num_seqs;  /* sequences in one step */
  uint32_t max_num_batched_tokens;
  uint32_t tensor_parallel_size;
  uint32_t threads;            /* of each rank; 0: the cores divided by the ranks */
  uint32_t num_kv_pages;       /* of 16 tokens; 0: what the memory holds */
  uint32_t max_queued_requests;
  uint64_t kv_cache_bytes;     /* instead of num_kv_pages; 0: what the memory holds */
  uint32_t request_timeout_ms; /* longest life of a request */
  uint32_t queue_timeout_ms;   /* longest wait for admission */
} troupe_engine_options;

/* The defaults; only model_dir is left to the caller. `size` is sizeof(*options). */
void troupe_engine_options_init(troupe_engine_options* options, size_t size);
/* Takes as long as reading the weights. *engine is null unless TROUPE_OK is answered. `why` may be
   null, here and below. */
troupe_code troupe_engine_start(const troupe_engine_options* options, troupe_engine** engine,
                                troupe_failure* why);
/* Ends what runs as failed and returns when the last callback has; called in a callback it returns
   at once and the rest happens after that. Null is ignored. */
void troupe_engine_free(troupe_engine* engine);

typedef struct troupe_turn {
  const char* role; /* "system", "user", "assistant" or "tool" */
  const char* content;
} troupe_turn;

typedef struct troupe_request {
  size_t size;
  /* The prompt: one of the three, the others null. */
  const char* text;
  const int32_t* tokens;
  const troupe_turn* turns;
  size_t num_tokens;
  size_t num_turns;

  uint32_t max_tokens;
  uint32_t min_tokens;
  float temperature; /* 0: the most likely token */
  float top_p;
  float min_p;
  float presence_penalty;
  float frequency_penalty;
  float repetition_penalty;
  int32_t top_k;     /* 0: the whole vocabulary */
  int32_t has_seed;  /* 0: `seed` does not count, one is drawn */
  uint64_t seed;
  const char* const* stop; /* [num_stop] */
  size_t num_stop;
  int32_t ignore_eos;
  int32_t priority;    /* lower runs first */
  uint32_t timeout_ms; /* 0: the engine's request_timeout_ms */
  /* What the answer must look like: at most one of them. */
  const char* json_schema;
  const char* regex;
  const char* grammar; /* EBNF */
} troupe_request;

/* The engine's defaults: its model's own sampling. `size` is sizeof(*request). */
troupe_code troupe_request_init(const troupe_engine* engine, troupe_request* request, size_t size);

typedef enum troupe_finish_reason {
  TROUPE_FINISH_STOP = 0,
  TROUPE_FINISH_LENGTH = 1,
  TROUPE_FINISH_CANCELLED = 2,
  TROUPE_FINISH_FAILED = 3,
  TROUPE_FINISH_TIMED_OUT = 4
} troupe_finish_reason;

/* Whole characters that became certain (not null-terminated) and the tokens that came since; one of
   them may be empty. On a thread of the engine, never two at once for one request. */
typedef void (*troupe_on_tokens)(void* user, uint64_t request, const char* text, size_t text_size,
                                 const int32_t* tokens, size_t num_tokens);
/* Exactly once for every request that was taken, last. The answer is gone when the callee
   returns. */
typedef void (*troupe_on_end)(void* user, uint64_t request, const troupe_answer* answer);

/* Returns at once. TROUPE_OK: on_end will come; else no callback does. Both may be null, and so may
   `id`, which is written before the first callback may need it. */
troupe_code troupe_generate(troupe_engine* engine, const troupe_request* request,
                            troupe_on_tokens on_tokens, troupe_on_end on_end, void* user,
                            uint64_t* id, troupe_failure* why);
/* Ends it as cancelled, unless it has ended; an id that is not known is ignored. */
void troupe_cancel(troupe_engine* engine, uint64_t id);
/* Blocks until the answer is whole, so it is refused in a callback. TROUPE_OK: *answer is the
   caller's, however it ended. */
troupe_code troupe_complete(troupe_engine* engine, const troupe_request* request,
                            troupe_answer** answer, troupe_failure* why);

/* Of null: empty, 0, failed. Texts live as long as the answer and are null-terminated. */
const char* troupe_answer_text(const troupe_answer* answer);
size_t troupe_answer_text_size(const troupe_answer* answer);
const int32_t* troupe_answer_tokens(const troupe_answer* answer);
size_t troupe_answer_num_tokens(const troupe_answer* answer);
troupe_finish_reason troupe_answer_finish_reason(const troupe_answer* answer);
uint32_t troupe_answer_prompt_tokens(const troupe_answer* answer);
uint32_t troupe_answer_cached_tokens(const troupe_answer* answer);
/* TROUPE_OK unless it failed or ran out of time; then `why` is filled, too. */
troupe_code troupe_answer_failure(const troupe_answer* answer, troupe_failure* why);
void troupe_answer_free(troupe_answer* answer);

/* Write as much as fits in `capacity` elements and answer in *size how many there are: call with
   capacity 0 to learn that. Texts end with a null byte that *size does not count. */
troupe_code troupe_tokenize(const troupe_engine* engine, const char* text, size_t text_size,
                            int32_t* tokens, size_t capacity, size_t* size, troupe_failure* why);
troupe_code troupe_detokenize(const troupe_engine* engine, const int32_t* tokens,
                              size_t num_tokens, char* text, size_t capacity, size_t* size,
                              troupe_failure* why);
/* The prompt that asks for the assistant's next turn. */
troupe_code troupe_chat_prompt(const troupe_engine* engine, const troupe_turn* turns,
                               size_t num_turns, int32_t* tokens, size_t capacity, size_t* size,
                               troupe_failure* why);
/* As Prometheus reads them. */
troupe_code troupe_metrics(const troupe_engine* engine, char* text, size_t capacity, size_t* size,
                           troupe_failure* why);
/* Prompt and answer together, in tokens; 0 for null. */
uint32_t troupe_max_model_len(const troupe_engine* engine);

#ifdef __cplusplus
}
#endif
#endif
