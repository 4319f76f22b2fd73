/* From attention to what the last MLP gets of an interest, for the candidates of a tile. */

/* How much of the new state is written: a fraction, so that it shares its division with tanh. */
struct fraction {
    vector numerator, denominator;
};

/* a is the attention and x what the update gate u = 1 / (1 + e^-x) is the sigmoid of. */
ALWAYS_INLINE struct fraction written(const int evolution, vector x, vector a) {
    const vector one = broadcast(1.0f);
    switch (evolution) {
    case AGRU: return (struct fraction){a, one};
    case AUGRU_PAPER: return (struct fraction){a, one_plus_exponential(-1.0f, x)}; /* a u */
    case AUGRU_OFFICIAL: { /* a + (1 - a) u */
        vector e = exponential(-1.0f, x);
        return (struct fraction){multiply_add(a, e, one), one + e};
    }
    default: /* u: AIGRU has scaled its inputs */
        return (struct fraction){one, one_plus_exponential(-1.0f, x)};
    }
}

/* h + share (tanh(x) - h), where tanh(x) = (1 - e) / (1 + e) with e = e^-2x. */
ALWAYS_INLINE vector next_state(vector h, struct fraction share, vector x) {
    vector e = exponential(-2.0f, x);
    vector change = multiply_add(-e, 1.0f + h, 1.0f - h);
    vector divided = reciprocal(share.denominator * (1.0f + e));
    return multiply_add(share.numerator * change, divided, h);
}

/* W x of a gate's unit, the same for all candidates but where attention scales it. */
ALWAYS_INLINE vector gate_input(const struct cell *cell, int scaled, const float *input_G, int g,
                                vector a) {
    vector input = broadcast(input_G[g]);
    return scaled ? multiply_add(input, a, broadcast(cell->input_bias[g])) : input;
}

/* What is left of x under the reset gate. */
ALWAYS_INLINE void reset(const struct cell *cell, int scaled, int vectors, const float *input_G,
                         const float *attention_L, const float *gate_HL, const float *x_HL,
                         float *out_HL) {
    for (int j = 0; j < cell->hidden; j++)
        for (int v = 0; v < vectors; v++) {
            vector input = gate_input(cell, scaled, input_G, j, load(attention_L + v * LANES));
            store(out_HL, sigmoid(input + load(gate_HL)) * load(x_HL));
            gate_HL += LANES, x_HL += LANES, out_HL += LANES;
        }
}

/* h moves towards the new state as far as the update gate and attention say. */
ALWAYS_INLINE void update(const struct cell *cell, const int evolution, int vectors,
                          const float *input_G, const float *attention_L, const float *update_HL,
                          const float *new_HL, float *h_HL) {
    const int scaled = evolution == AIGRU, hidden = cell->hidden;
    for (int j = 0; j < hidden; j++)
        for (int v = 0; v < vectors; v++) {
            vector a = load(attention_L + v * LANES);
            vector u = gate_input(cell, scaled, input_G, hidden + j, a) + load(update_HL);
            vector new = gate_input(cell, scaled, input_G, 2 * hidden + j, a) + load(new_HL);
            struct fraction share = written(evolution, u, a);
            store(h_HL, next_state(load(h_HL), share, new));
            update_HL += LANES, new_HL += LANES, h_HL += LANES;
        }
}

/* One step of the recurrence under attention; h is updated in place. In two passes over its units:
 * one would wait for the results of its long chain of operations. */
ALWAYS_INLINE void step_of_tile(const struct cell *cell, const int evolution, int vectors,
                                const float *input_G, const float *attention_L, float *gates_GL,
                                float *reset_HL, float *h_HL) {
    const int hidden = cell->hidden, width = vectors * LANES, scaled = evolution == AIGRU;
    const int without_new = cell->reset_before ? 2 * hidden : 3 * hidden;
    float *update_HL = gates_GL + hidden * width, *new_HL = update_HL + hidden * width;
    weigh_candidates(vectors, without_new, hidden, cell->hidden_panels, h_HL,
                     (struct start){.of_row = cell->hidden_bias}, gates_GL);
    if (cell->reset_before) {
        reset(cell, scaled, vectors, input_G, attention_L, gates_GL, h_HL, reset_HL);
        weigh_candidates(vectors, hidden, hidden, cell->new_panels, reset_HL,
                         (struct start){.of_row = cell->hidden_bias + 2 * hidden}, new_HL);
    } else
        reset(cell, scaled, vectors, input_G, attention_L, gates_GL, new_HL, new_HL);
    update(cell, evolution, vectors, input_G, attention_L, update_HL, new_HL, h_HL);
}

ALWAYS_INLINE void steps_of_tile(const struct interest *interest, const int evolution,
                                 struct user_states states, int64_t steps, int vectors,
                                 const float *attention_TL, float *gates_GL, float *reset_HL,
                                 float *h_HL) {
    for (int64_t t = 0; t < steps; t++)
        step_of_tile(interest->evolution_cell, evolution, vectors,
                     states.inputs_TG + t * states.input_stride,
                     attention_TL + t * vectors * LANES, gates_GL, reset_HL, h_HL);
}

/* The sum of the values, weighted: the values' transpose times attention. */
static void pool_over_steps(const struct interest *interest, struct user_states states,
                            int64_t steps, int vectors, const float *attention_TL, float *h_HL) {
    struct left values_HT = {states.values_TH, PANEL, 1, states.value_stride};
    over_candidates(vectors, interest->hidden, (int)steps, values_HT, attention_TL,
                    (struct start){0}, h_HL);
}

/* The interest [H, L] of each candidate. */
static void evolve(const struct interest *interest, struct user_states states, int64_t steps,
                   int vectors, const float *attention_TL, float *gates_GL, float *reset_HL,
                   float *h_HL) {
    const int width = vectors * LANES;
    const float *constant_H = NULL;
    if (steps == 0) constant_H = interest->cold_interest;
    else if (interest->evolution == LAST_STATE)
        constant_H = states.values_TH + (steps - 1) * states.value_stride;
    for (int64_t i = 0; i < (int64_t)interest->hidden * width; i++)
        h_HL[i] = constant_H ? constant_H[i / width] : 0.0f;
    if (steps == 0) return;

#define STEPS_OF(evolution)                                                                        \
    case evolution:                                                                                \
        steps_of_tile(interest, evolution, states, steps, vectors, attention_TL, gates_GL,         \
                      reset_HL, h_HL);                                                             \
        break;
    switch (interest->evolution) {
        STEPS_OF(AGRU)
        STEPS_OF(AIGRU)
        STEPS_OF(AUGRU_PAPER)
        STEPS_OF(AUGRU_OFFICIAL)
    case POOL: pool_over_steps(interest, states, steps, vectors, attention_TL, h_HL); break;
    default: break;
    }
#undef STEPS_OF
}
