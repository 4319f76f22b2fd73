/* What the fused kernel computes and how its callers describe a model to it.
 *
 * Shapes are in the names: U users, N behaviors of all users, C candidates, T steps, F behavior
 * fields, E embedding of a group of fields, H hidden, G = 3H, A first attention layer, I inputs,
 * O outputs, L candidates side by side in vector lanes. Everything is float32 unless it says so.
 *
 * Two packings of a weight [O, I]:
 *   panels   [O / PANEL][I][PANEL]: outputs in groups, one load feeds all candidates of a tile
 *   columns  [I][O padded to ALIGN_FLOATS]: outputs in lanes, for what is computed once per user
 * Rows that are missing in the last group are zero.
 */
#ifndef CTR_KERNEL_H
#define CTR_KERNEL_H

#include <stdint.h>

/* Of these structures: whoever calls must mean the same ones. */
enum { LAYOUT = 2 };
int32_t ctr_layout(void);

enum { PANEL = 4, ALIGN_FLOATS = 16 };

enum activation { LINEAR, RELU, SIGMOID, TANH, PRELU, DICE };

enum evolution {
    POOL,        /* the sum of the values, weighted by attention */
    LAST_STATE,  /* the user's last value; no attention */
    AGRU,        /* DIEN paper, equation 10 */
    AIGRU,       /* equation 9 */
    AUGRU_PAPER, /* equation 11 */
    AUGRU_OFFICIAL
};

enum attention { NO_ATTENTION, MLP_ATTENTION, DOT_ATTENTION };

/* How the numbers of a table are stored. */
enum numbers { FLOAT32, BFLOAT16, INT8 };

struct table {
    const void *rows;    /* [rows, width] */
    const float *scales; /* [rows]: what each number of an int8 row is multiplied by */
    int32_t width, numbers;
};

/* A linear layer and its activation; candidates lie in the lanes. */
struct layer {
    int32_t inputs, outputs;
    int32_t activation;
    const float *weight; /* panels */
    const float *bias;   /* [O] padded to panels */
    /* Of each output. PReLU: x < 0 ? slope x : x. Dice: x (slope + p (1 - slope)) with
     * p = sigmoid(scale x + shift). */
    const float *scale, *shift, *slope;
};

/* The weights of a recurrence; gates in the order reset, update, new. */
struct cell {
    int32_t inputs, hidden;
    int32_t reset_before;        /* r multiplies h before its product, not after */
    const float *input_columns;  /* columns of [G, I] */
    const float *input_bias;     /* [G padded] */
    const float *hidden_columns; /* columns of [G, H], for the user */
    const float *hidden_panels;  /* panels of [G, H], for candidates */
    const float *new_panels;     /* panels of its last H rows, with reset_before */
    const float *hidden_bias;    /* [G padded] */
};

/* What one group of behavior fields tells of a user. */
struct interest {
    int32_t fields;
    const int32_t *field; /* which of the behavior fields, in the order of the embedding */
    int32_t embedding, hidden;
    int32_t sum_pooling;
    int32_t evolution;
    const struct cell *extractor;      /* NULL: the embeddings are the values */
    const struct cell *evolution_cell; /* with POOL and LAST_STATE it runs once per user */

    int32_t attention, softmax, heads;
    int32_t key_width;              /* A; zero: the values are the keys */
    const float *key_columns;       /* columns of [A, H] */
    int32_t query_layers;           /* without any, the candidate's embedding is the query */
    const struct layer *query;
    const struct layer *query_half; /* the candidate's part of the first attention layer */
    int32_t pair_layers;
    const struct layer *pair; /* on q * h, the first added to both halves; the last gives a score */
    const float *cold_interest; /* [H] of users without behaviors; NULL: zero */
};

struct model {
    int32_t behavior_fields, user_fields, candidate_fields;
    const struct table *tables; /* of these, in this order */
    int32_t user_numbers, candidate_numbers;
    int32_t interests;
    const struct interest *interest;
    /* The first MLP layer is split: its inputs that belong to the user (profile, then each sum of
     * behaviors) as columns, those of a candidate (fields, then for each interest its product with
     * the sum and the interest, then side fields) as the layer. */
    int32_t user_inputs;
    const float *user_columns;
    int32_t mlp_layers;
    const struct layer *mlp;
};

struct batch {
    int32_t users, candidates;
    int32_t longest; /* history of a user with candidates: how wide attention is */
    const int64_t *lengths_U, *behaviors_NF, *user_sparse_US, *candidates_CF, *candidate_sparse_CS;
    const float *user_dense_UD, *candidate_dense_CD;
    const int64_t *first_candidate_U; /* [U + 1]: candidates lie user after user */
    /* A user's states are as many floats as ctr_floats_of_user_states says. */
    float *const *states_U;        /* where they go; where they are, if all behaviors are known */
    const int64_t *known_U;        /* how many of the behaviors are in earlier states */
    const float *const *earlier_U; /* these; not looked at if none or all are known */
};

/* How large the states of a user with so many behaviors are. */
int64_t ctr_floats_of_user_states(const struct model *model, int64_t behaviors);

/* Fills logits [C] and, where a step exists, attention [C, longest], which must come zeroed.
 * Returns 0, or 1 if there was no memory. */
int ctr_score(const struct model *model, const struct batch *batch, float *logits_C,
              float *attention_CT);

/* One batch for a thread of its own; the caller keeps it, and all it points to, until it is back. */
struct task {
    const struct model *model;
    const struct batch *batch;
    float *logits_C, *attention_CT;
    int32_t failed;    /* what ctr_score returned */
    double seconds;    /* how long it took */
    struct task *next; /* in line; not the caller's business */
};

struct workers;

/* Threads that compute. After each task a byte is written to `finished_fd`, which must not block.
 * NULL if they could not be started. */
struct workers *ctr_start_workers(int32_t threads, int32_t finished_fd);

/* Hands a task over and returns at once. */
void ctr_submit(struct workers *workers, struct task *task);

/* Takes a task back that is still in line. Returns 1 if it was, and is the caller's again at once;
 * 0 if it is being computed or finished, and will come back as others do. */
int ctr_withdraw(struct workers *workers, const struct task *task);

/* The task that has been finished for longest and not yet been asked for, or NULL. */
struct task *ctr_finished(struct workers *workers);

/* Waits for the tasks that are being computed; those still in line are never computed. */
void ctr_stop_workers(struct workers *workers);

/* What was chosen for this CPU: avx512, avx2 or generic. */
const char *ctr_isa(void);

/* Chooses another one from then on. Returns 0, or 1 if this CPU does not have it. */
int ctr_use_isa(const char *isa);

#endif
