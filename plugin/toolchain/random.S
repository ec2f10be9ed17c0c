# arc4random, which TinyGo's runtime calls once, for the seed of its hashes.
#
# wasi-libc's own checks itself with assert, and that brings printf into the module, which nothing else uses: 15 KB, and
# the function with the most blocks of all, for which V8 takes 2 MiB while it compiles it. build.sh has the linker use
# this one. It can go when wasi-libc's arc4random_buf does without assert, or TinyGo asks the host itself.
	.globaltype	__stack_pointer, i32
	.functype	random_get (i32, i32) -> (i32)
	.import_module	random_get, wasi_snapshot_preview1
	.import_name	random_get, random_get

	.section	.text.__wrap_arc4random,"",@
	.globl	__wrap_arc4random
	.type	__wrap_arc4random,@function
__wrap_arc4random:
	.functype	__wrap_arc4random () -> (i32)
	.local	i32
	# The host writes four bytes below the stack's top.
	global.get	__stack_pointer
	i32.const	16
	i32.sub
	local.tee	0
	i32.const	4
	call	random_get
	drop
	local.get	0
	i32.load	0
	end_function
