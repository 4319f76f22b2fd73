/* The candidate half: one tile of candidates of one user, each candidate in a lane of its own. */
#include <stddef.h>

#include "ctr_kernel.h"
#include "vector.h"
#include "exponential.h"
#include "product.h"
#include "workspace.h"
#include "tables.h"
#include "layers.h"
#include "state_layout.h"
#include "attention.h"
#include "evolution.h"

/* Memory for scoring one tile. */
struct scoring {
    float *user_bias_O;  /* the first MLP layer's bias with the user's share of its inputs */
    float *user_inputs_I;
    float *mlp_inputs_IL;
    float *item_EL, *queries[2], *query_half_AL, *pair_HL;
    float *attention_TL, *head_TL;
    float *gates_GL, *reset_HL;
    float *buffers[2];
};

/* Which candidates lie in the lanes; lanes past the last one repeat it. */
struct tile {
    int64_t first;
    int candidates, vectors;
};

static int64_t candidate_of(struct tile tile, int lane) {
    return tile.first + (lane < tile.candidates ? lane : tile.candidates - 1);
}

/* Embedded rows of some sparse fields, one under the other; where the next input goes. */
static float *gather(const struct table *tables, int fields, const int64_t *rows_CF,
                     struct tile tile, float *out) {
    const int width = tile.vectors * LANES;
    for (int f = 0; f < fields; f++) {
        float decoded_E[tables[f].width];
        for (int lane = 0; lane < width; lane++) {
            const int64_t row = rows_CF[candidate_of(tile, lane) * fields + f];
            const float *from = row_of(tables[f], row, decoded_E);
            for (int e = 0; e < tables[f].width; e++) out[e * width + lane] = from[e];
        }
        out += tables[f].width * width;
    }
    return out;
}

static void gather_numbers(int count, const float *numbers_CD, struct tile tile, float *out) {
    const int width = tile.vectors * LANES;
    for (int d = 0; d < count; d++)
        for (int lane = 0; lane < width; lane++)
            out[d * width + lane] = numbers_CD[candidate_of(tile, lane) * count + d];
}

/* Whether an interest is made of all fields, in their own order. */
static int has_all_fields(const struct model *model, const struct interest *interest) {
    if (interest->fields != model->behavior_fields) return 0;
    for (int i = 0; i < interest->fields; i++)
        if (interest->field[i] != i) return 0;
    return 1;
}

/* The embedding of an interest's fields out of that of all fields. */
static const float *item_of(const struct model *model, const struct interest *interest,
                            const float *items, int width, float *item_EL) {
    if (has_all_fields(model, interest)) return items;
    float *to = item_EL;
    for (int i = 0; i < interest->fields; i++) {
        const float *from = items;
        for (int f = 0; f < interest->field[i]; f++) from += model->tables[f].width * width;
        const int64_t floats = (int64_t)model->tables[interest->field[i]].width * width;
        memcpy(to, from, floats * sizeof(float));
        to += floats;
    }
    return item_EL;
}

/* Adds this interest's share to the attention [C, longest] that is given back. */
static void report_attention(struct tile tile, int64_t steps, float share,
                             const float *attention_TL, int64_t longest, float *attention_CT) {
    const int width = tile.vectors * LANES;
    for (int lane = 0; lane < tile.candidates; lane++) {
        float *to = attention_CT + (tile.first + lane) * longest;
        for (int64_t t = 0; t < steps; t++) to[t] += share * attention_TL[t * width + lane];
    }
}

/* One interest of a tile: `out` gets the sum's product and the interest, attention its shares. */
static float *score_interest(const struct interest *interest, struct user_states states,
                             int64_t steps, struct tile tile, const float *item_EL,
                             struct scoring memory, float *out) {
    const int vectors = tile.vectors, width = vectors * LANES;
    const float *query_HL = item_EL;
    if (interest->query_layers && steps)
        query_HL = run_layers(interest->query, interest->query_layers, vectors, item_EL,
                              (struct start){.of_row = interest->query->bias}, memory.queries);
    if (interest->attention == MLP_ATTENTION && steps) {
        mlp_scores(interest, states, steps, vectors, query_HL, memory.query_half_AL,
                   memory.pair_HL, memory.buffers, memory.attention_TL);
        if (interest->softmax) softmax_over_steps(steps, vectors, memory.attention_TL);
    } else if (interest->attention == DOT_ATTENTION && steps)
        dot_attention(interest, states, steps, vectors, query_HL, memory.head_TL,
                      memory.attention_TL);
    if (interest->sum_pooling)
        for (int e = 0; e < interest->embedding; e++, out += width)
            for (int v = 0; v < width; v += LANES)
                store(out + v, states.behavior_sum_E[e] * load(item_EL + e * width + v));
    evolve(interest, states, steps, vectors, memory.attention_TL, memory.gates_GL, memory.reset_HL,
           out);
    return out + interest->hidden * width;
}

static void score_tile(const struct model *model, const struct batch *batch, int64_t steps,
                       float *user_states, struct tile tile, struct scoring memory,
                       float *logits_C, float *attention_CT) {
    const int width = tile.vectors * LANES;
    struct workspace stored = {user_states, 0};
    const float *items = memory.mlp_inputs_IL;
    float *out = gather(model->tables, model->behavior_fields, batch->candidates_CF, tile,
                        memory.mlp_inputs_IL);
    for (int i = 0; i < model->interests; i++) {
        const struct interest *interest = &model->interest[i];
        struct user_states states = take_states(&stored, interest, steps);
        const float *item_EL = item_of(model, interest, items, width, memory.item_EL);
        out = score_interest(interest, states, steps, tile, item_EL, memory, out);
        if (interest->attention != NO_ATTENTION)
            report_attention(tile, steps, 1.0f / (float)model->interests, memory.attention_TL,
                             batch->longest, attention_CT);
    }
    out = gather(model->tables + model->behavior_fields + model->user_fields,
                 model->candidate_fields, batch->candidate_sparse_CS, tile, out);
    gather_numbers(model->candidate_numbers, batch->candidate_dense_CD, tile, out);
    const float *logit_L = run_layers(model->mlp, model->mlp_layers, tile.vectors,
                                      memory.mlp_inputs_IL,
                                      (struct start){.of_row = memory.user_bias_O}, memory.buffers);
    memcpy(logits_C + tile.first, logit_L, tile.candidates * sizeof(float));
}

#ifdef SCORE_HALF_TILE /* the same with half as many lanes, to the bit */
void SCORE_HALF_TILE(const struct model *model, const struct batch *batch, int64_t steps,
                     float *user_states, struct tile tile, struct scoring memory, float *logits_C,
                     float *attention_CT);
#endif
