"""Vector primitives of the layered LDPC decoder: 32 frames side by side in 8-bit fixed point.

Layout. ``LANES`` frames share every memory row: the posterior of variable v in all frames is the row ``post[v]``, the
message of edge e is the row ``msg[e]``, so that one vector instruction serves all frames whatever the code's shifts are.
A frame sits in one lane from its first to its last iteration; its arithmetic never sees another lane.

Fixed point. One unit is 1/``SCALE`` of a natural LLR. Internally positive means bit 0. Posteriors saturate at ±127 (about
32), messages stay below ``MSG_MAX``, far enough from 127 that a saturated posterior minus its own message remains large:
otherwise high-rate codes show an error floor. Channel values are clipped to ``CHANNEL_MAX``, below the largest message,
so that a single check can always overrule a wrong bit of degree 1.

The intrinsics below write LLVM vector instructions because saturating 8-bit arithmetic has no spelling in Numba. They
are target independent: LLVM maps them to AVX-512, AVX2, SSE or NEON. :mod:`sc_sionna.phy.ldpc.kernels` builds the
decoder's loop from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 32  # frames side by side: one AVX2 register of bytes; 64 were no faster on AVX-512 and cost latency
SCALE = 4.0  # units per natural LLR
MSG_MAX = 36  # the largest magnitude that enters a check node, in units
CHANNEL_MAX = 33  # the largest magnitude of a received value, in units
MAX_DEGREE = 19  # of a check node in TS 38.212 (base graph 1)

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_VEC = ir.VectorType(_I8, LANES)


def offset(degree: int) -> int:
    """Offset of the min-sum rule in units: 0.5 natural, but 0.25 for checks so small that the minimum is close to exact.

    Chosen by simulation over rates 1/5 to 0.92: 0.5 everywhere loses 0.08 dB against the sum-product rule at rate 1/5, 0.25
    everywhere loses 0.1 dB and more at rates 1/3 to 2/3.
    """
    return 1 if degree <= 4 else 2


def _const(value: int) -> ir.Constant:
    return ir.Constant(_VEC, [value] * LANES)


def _call(builder: ir.IRBuilder, name: str, *args: ir.Value) -> ir.Value:
    function_type = ir.FunctionType(_VEC, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.v{LANES}i8"), args)


def _data(context: Any, builder: ir.IRBuilder, sig: Any, args: Any, position: int, vectors: bool = True) -> ir.Value:
    pointer = make_array(sig.args[position])(context, builder, args[position]).data
    return builder.bitcast(pointer, _VEC.as_pointer()) if vectors else pointer


def _load(builder: ir.IRBuilder, pointer: ir.Value, align: int = LANES) -> ir.Value:
    value = builder.load(pointer)
    value.align = align
    return value


def _store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value) -> None:
    builder.store(value, pointer).align = LANES


def _rows(builder: ir.IRBuilder, base: ir.Value, index: ir.Value, table: ir.Value, degree: int) -> list[ir.Value]:
    """Pointers to the posterior rows of one check's variables."""
    rows = []
    for position in range(degree):
        edge = builder.add(index, ir.Constant(_I64, position))
        rows.append(builder.gep(base, [builder.sext(builder.load(builder.gep(table, [edge])), _I64)]))
    return rows


def _by_degree(builder: ir.IRBuilder, degree: ir.Value, emit: Callable[[int], None]) -> None:
    """``emit(d)`` for the degree d at run time: unrolled code per degree keeps a check's messages in registers."""
    done = builder.append_basic_block("done")
    switch = builder.switch(degree, done)
    for case in range(1, MAX_DEGREE + 1):
        block = builder.append_basic_block(f"degree{case}")
        switch.add_case(ir.Constant(_I64, case), block)
        builder.position_at_end(block)
        emit(case)
        builder.branch(done)
    builder.position_at_end(done)


@intrinsic
def update_checks(typingctx, post, msg, var, keep, first, count, degree):  # type: ignore[no-untyped-def]
    """Layered update of ``count`` checks of equal degree whose edges start at ``first``.

    For each check, with v→c messages q = posterior − old message (old messages count as 0 where ``keep`` is 0):
    message to edge e = Π_{e'≠e} sign(q_e') · max(0, min_{e'≠e} |q_e'| − offset), posterior = q + message. The offset is one
    unit larger for all edges but the weakest when the two smallest magnitudes differ by less than two units: there the
    exact box-plus loses most against the minimum (ln 2 at equality).
    """
    sig = types.void(post, msg, var, keep, types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        post_rows, msg_rows = (_data(context, builder, sig, args, i) for i in (0, 1))
        table = _data(context, builder, sig, args, 2, vectors=False)
        keep_mask = _load(builder, _data(context, builder, sig, args, 3))

        def emit(degree: int) -> None:
            with cgutils.for_range(builder, args[5]) as loop:
                index = builder.add(args[4], builder.mul(loop.index, ir.Constant(_I64, degree)))
                rows = _rows(builder, post_rows, index, table, degree)
                edges = [builder.gep(msg_rows, [builder.add(index, ir.Constant(_I64, e))]) for e in range(degree)]
                least, second, sign = _const(MSG_MAX), _const(MSG_MAX), _const(0)
                incoming, size = [], []
                for row, edge in zip(rows, edges, strict=True):
                    old = builder.and_(_load(builder, edge), keep_mask)
                    q = _call(builder, "ssub.sat", _load(builder, row), old)
                    function_type = ir.FunctionType(_VEC, [_VEC, _I1])
                    absolute = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.abs.v{LANES}i8")
                    magnitude = builder.call(absolute, [q, ir.Constant(_I1, 0)])  # |−128| = 128, read as unsigned below
                    second = _call(builder, "umin", second, _call(builder, "umax", least, magnitude))
                    least = _call(builder, "umin", least, magnitude)
                    sign = builder.xor(sign, q)
                    incoming.append(q)
                    size.append(magnitude)
                shift = _const(offset(degree))
                near = _call(builder, "usub.sat", _const(1), builder.lshr(builder.sub(second, least), _const(1)))
                others = _call(builder, "usub.sat", _call(builder, "usub.sat", least, shift), near)
                weakest = _call(builder, "usub.sat", second, shift)
                for q, magnitude, row, edge in zip(incoming, size, rows, edges, strict=True):
                    # a tie of the two smallest is harmless: both rules then see the same minimum
                    out = builder.select(builder.icmp_unsigned("<=", magnitude, least), weakest, others)
                    negative = builder.icmp_signed("<", builder.xor(sign, q), _const(0))
                    out = builder.select(negative, builder.sub(_const(0), out), out)
                    _store(builder, out, edge)
                    _store(builder, _call(builder, "sadd.sat", q, out), row)

        _by_degree(builder, args[6], emit)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def failing_lanes(typingctx, post, var, first, count, degree):  # type: ignore[no-untyped-def]
    """One bit per lane: set if any of ``count`` checks of equal degree does not hold for the signs of ``post``."""
    sig = types.uint32(post, var, types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        post_rows = _data(context, builder, sig, args, 0)
        table = _data(context, builder, sig, args, 1, vectors=False)
        failed = cgutils.alloca_once_value(builder, _const(0))

        def emit(degree: int) -> None:
            with cgutils.for_range(builder, args[3]) as loop:
                index = builder.add(args[2], builder.mul(loop.index, ir.Constant(_I64, degree)))
                parity = _const(0)
                for row in _rows(builder, post_rows, index, table, degree):
                    parity = builder.xor(parity, _load(builder, row))
                builder.store(builder.or_(builder.load(failed), parity), failed)

        _by_degree(builder, args[4], emit)
        return builder.bitcast(builder.icmp_signed("<", builder.load(failed), _const(0)), _I32)

    return sig, codegen


@intrinsic
def undecided_lanes(typingctx, post, count):  # type: ignore[no-untyped-def]
    """Bit l is set if one of the first ``count`` posteriors of lane l is 0: nothing that arrived decides that bit."""
    sig = types.uint32(post, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        post_rows = _data(context, builder, sig, args, 0)
        least = cgutils.alloca_once_value(builder, _const(-1))  # of the unsigned magnitudes: 0 once a posterior was 0
        with cgutils.for_range(builder, args[1]) as loop:
            row = _load(builder, builder.gep(post_rows, [loop.index]))
            builder.store(_call(builder, "umin", builder.load(least), row), least)
        return builder.bitcast(builder.icmp_signed("==", builder.load(least), _const(0)), _I32)

    return sig, codegen


@intrinsic
def capture_signs(typingctx, post, var, words, lanes, count):  # type: ignore[no-untyped-def]
    """Hard decisions of the lanes in the bit mask ``lanes``: bit l of ``words[j]`` = (post[var[j], l] < 0), j < count."""
    sig = types.void(post, var, words, types.uint32, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        post_rows = _data(context, builder, sig, args, 0)
        table, word_ptr = (_data(context, builder, sig, args, i, vectors=False) for i in (1, 2))
        with cgutils.for_range(builder, args[4]) as loop:
            row = _load(builder, _rows(builder, post_rows, loop.index, table, 1)[0])
            new = builder.and_(builder.bitcast(builder.icmp_signed("<", row, _const(0)), _I32), args[3])
            target = builder.gep(word_ptr, [loop.index])
            builder.store(builder.or_(builder.and_(builder.load(target), builder.not_(args[3])), new), target)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def clear_lanes(typingctx, post, keep, first, count):  # type: ignore[no-untyped-def]
    """``post[first : first + count] &= keep``: bits that were not sent start without knowledge."""
    sig = types.void(post, keep, types.int64, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        post_rows, keep_ptr = (_data(context, builder, sig, args, i) for i in (0, 1))
        keep_mask = _load(builder, keep_ptr)
        with cgutils.for_range(builder, args[3]) as loop:
            row = builder.gep(post_rows, [builder.add(args[2], loop.index)])
            _store(builder, builder.and_(_load(builder, row), keep_mask), row)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def load_lanes(typingctx, stage, stride, post, target, keep, blocks):  # type: ignore[no-untyped-def]
    """Transpose quantised frames ``stage[lane, position]`` into the rows ``post[target[position]]``, a block at a time.

    Lanes whose ``keep`` is −1 stay as they are. The interleaver costs nothing: it is the order of ``target``.
    """
    sig = types.void(stage, types.int64, post, target, keep, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        stage_ptr, table = (_data(context, builder, sig, args, i, vectors=False) for i in (0, 3))
        post_rows, keep_ptr = (_data(context, builder, sig, args, i) for i in (2, 4))
        keep_mask = _load(builder, keep_ptr)
        low = ir.Constant(ir.VectorType(_I32, LANES), [(i // 2) + LANES * (i % 2) for i in range(LANES)])
        high = ir.Constant(ir.VectorType(_I32, LANES), [LANES // 2 + (i // 2) + LANES * (i % 2) for i in range(LANES)])
        with cgutils.for_range(builder, args[5]) as loop:
            start = builder.mul(loop.index, ir.Constant(_I64, LANES))
            rows = []
            for lane in range(LANES):
                offset = builder.add(builder.mul(args[1], ir.Constant(_I64, lane)), start)
                pointer = builder.bitcast(builder.gep(stage_ptr, [offset]), _VEC.as_pointer())
                rows.append(_load(builder, pointer, align=1))
            for _ in range(LANES.bit_length() - 1):  # each perfect shuffle moves one index bit from row to column
                half = LANES // 2
                rows = [
                    builder.shuffle_vector(rows[i], rows[i + half], order) for i in range(half) for order in (low, high)
                ]
            for position, new in enumerate(rows):
                index = builder.load(builder.gep(table, [builder.add(start, ir.Constant(_I64, position))]))
                row = builder.gep(post_rows, [builder.sext(index, _I64)])
                old = builder.and_(_load(builder, row), keep_mask)
                _store(builder, builder.or_(old, builder.and_(new, builder.not_(keep_mask))), row)
        return context.get_dummy_value()

    return sig, codegen
