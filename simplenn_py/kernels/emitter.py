"""LLVM vectors from Numba: the tool with which ``tile``, ``vectors`` and ``winograd`` are written.

Numba has no vector type.  An intrinsic is a function whose body is given as LLVM instructions.
Here llvmlite builds them, with as many lanes as the processor's registers have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ..errors import UserError
from .lanes import float32_lanes

if config.DISABLE_JIT:
    raise UserError(
        "NUMBA_DISABLE_JIT is set, and only the engine lecture runs as plain Python; "
        "unset the variable, or choose the engine lecture"
    )

FLOAT32_LANES = float32_lanes()
I64 = ir.IntType(64)


def lanes_of(itemsize: int) -> int:
    """Return the number of lanes of a vector, for numbers of `itemsize` bytes."""
    return FLOAT32_LANES * 4 // itemsize


def element_of(kind: Any) -> Any:
    """Return the type of the numbers that a group's first member holds or points to."""
    return kind.types[0].dtype


class Emitter:
    """Builds the vector instructions of one intrinsic for one element type.

    Parameters
    ----------
    context, builder
        As Numba passes them to an intrinsic's code generator.
    element : numba.types.Float
        Type of the numbers.
    """

    def __init__(self, context: Any, builder: Any, element: Any) -> None:
        self.context, self.builder = context, builder
        self.scalar = context.get_data_type(element)
        self.lanes = lanes_of(element.bitwidth // 8)
        self.bytes = element.bitwidth // 8
        self.vector = ir.VectorType(self.scalar, self.lanes)
        name = f"llvm.fma.v{self.lanes}f{element.bitwidth}"
        signature = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma_function = cgutils.get_or_insert_function(builder.module, signature, name)

    def data(self, kind: Any, value: Any) -> Any:
        """Return the pointer to the first number of an array; a pointer is returned as it is."""
        if isinstance(kind, types.CPointer):
            return value
        return self.context.make_array(kind)(self.context, self.builder, value).data

    def group(self, kind: Any, value: Any) -> Any:
        """Take a NamedTuple apart: the same with pointers to the numbers in place of arrays."""
        members = []
        for k, member_kind in enumerate(kind.types):
            member = self.builder.extract_value(value, k)
            is_array = isinstance(member_kind, types.Array)
            members.append(self.data(member_kind, member) if is_array else member)
        return kind.instance_class(*members)

    def at(self, pointer: Any, index: Any) -> Any:
        return self.builder.gep(pointer, [index])

    def load_vector(self, pointer: Any) -> Any:
        """Load without asking for more than the alignment of one number."""
        address = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.load(address, align=self.bytes)

    def store_vector(self, value: Any, pointer: Any) -> None:
        address = self.builder.bitcast(pointer, self.vector.as_pointer())
        self.builder.store(value, address, align=self.bytes)

    def broadcast(self, scalar: Any) -> Any:
        return self.broadcast_as(self.vector, scalar)

    def broadcast_as(self, vector: Any, scalar: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, mask)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self.fma_function, [a, b, c])

    def prefetch(self, pointer: Any) -> None:
        """Ask for the cache line of `pointer`, which will be read and written soon."""
        i32 = ir.IntType(32)
        address = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, i32, i32, i32])
        function = self.builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        self.builder.call(function, [address, i32(1), i32(3), i32(1)])  # to write; all caches; data

    def shuffle(self, a: Any, b: Any, mask: list[int]) -> Any:
        """Pick numbers of two vectors: those of `b` follow those of `a`."""
        kind = ir.VectorType(ir.IntType(32), len(mask))
        return self.builder.shuffle_vector(a, b, ir.Constant(kind, mask))

    def accumulators(self, count: int) -> list[Any]:
        """Zeroed slots on the stack; LLVM keeps them in registers."""
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        slots = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for slot in slots:
            self.builder.store(zero, slot)
        return slots

    def loop(self, count: Any) -> Any:
        return cgutils.for_range(self.builder, count, intp=I64)

    # The rest serves rows of channels whose number is not a multiple of the lanes.

    @property
    def integers(self) -> Any:
        """The type of a vector of integers as wide as the numbers."""
        return ir.VectorType(ir.IntType(8 * self.bytes), self.lanes)

    def load_as(self, vector: Any, pointer: Any) -> Any:
        address = self.builder.bitcast(pointer, vector.as_pointer())
        return self.builder.load(address, align=self.bytes)

    @contextmanager
    def vectors_of(self, count: Any) -> Iterator[tuple[Any, Any]]:
        """Loop over the vectors of a row; yield the first channel and the number that remain."""
        builder, lanes = self.builder, I64(self.lanes)
        vectors = builder.sdiv(builder.add(count, I64(self.lanes - 1)), lanes)
        with self.loop(vectors) as vector:
            first = builder.mul(vector.index, lanes)
            yield first, builder.sub(count, first)

    def load_part(self, pointer: Any, remaining: Any) -> Any:
        """Load the first `remaining` lanes, all of them if there are more, and 0 behind them."""
        builder = self.builder
        slot = cgutils.alloca_once(builder, self.vector)
        whole = builder.icmp_signed(">=", remaining, I64(self.lanes))
        with builder.if_else(whole) as (then, otherwise):
            with then:
                builder.store(self.load_vector(pointer), slot)
            with otherwise:
                builder.store(ir.Constant(self.vector, None), slot)
                numbers = builder.bitcast(slot, self.scalar.as_pointer())
                with self.loop(remaining) as lane:
                    number = builder.load(builder.gep(pointer, [lane.index]))
                    builder.store(number, builder.gep(numbers, [lane.index]))
        return builder.load(slot)

    def store_part(self, value: Any, pointer: Any, remaining: Any) -> None:
        """Store the first `remaining` lanes, all of them if there are more.

        A partial vector goes through the stack, number by number: masked stores are not available
        on every processor.
        """
        builder = self.builder
        whole = builder.icmp_signed(">=", remaining, I64(self.lanes))
        with builder.if_else(whole) as (then, otherwise):
            with then:
                address = builder.bitcast(pointer, value.type.as_pointer())
                builder.store(value, address, align=self.bytes)
            with otherwise:
                slot = cgutils.alloca_once(builder, value.type)
                builder.store(value, slot)
                numbers = builder.bitcast(slot, value.type.element.as_pointer())
                with self.loop(remaining) as lane:
                    number = builder.load(builder.gep(numbers, [lane.index]))
                    builder.store(number, builder.gep(pointer, [lane.index]))


@intrinsic
def at(typingctx, memory, index):
    """Return the pointer to ``memory[index]``.

    Parameters
    ----------
    memory : array, C-contiguous, or pointer
        An array must outlive the pointer.
    index : int
    """
    if isinstance(memory, types.Array) and memory.layout != "C":
        raise TypingError("only a C-contiguous array can be read through a pointer")
    signature = types.CPointer(memory.dtype)(memory, types.int64)

    def codegen(context, builder, sig, args):
        e = Emitter(context, builder, memory.dtype)
        return e.at(e.data(sig.args[0], args[0]), args[1])

    return signature, codegen


@intrinsic
def entry(typingctx, pointer, index):
    """Return ``pointer[index]``."""
    signature = pointer.dtype(pointer, types.int64)

    def codegen(context, builder, sig, args):
        return builder.load(builder.gep(args[0], [args[1]]))

    return signature, codegen
