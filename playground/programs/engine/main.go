//go:build js && wasm

// Command engine is what the playground's page runs in its worker: the packages of the command line, and the shipped
// filter. It hands the page one function, which takes the name of a question and its input as JSON, and gives JSON.
package main

import (
	"context"
	"encoding/json"
	"syscall/js"

	"github.com/wasm-rewrite/wasm-rewrite/playground/answers"
)

// version is what was built, written by the build.
var version = "of a work tree"

func main() {
	desk := &answers.Desk{}
	answer := js.FuncOf(func(_ js.Value, args []js.Value) any {
		ctx := context.Background()
		if args[0].String() == "module" {
			return module(ctx, desk, args[1])
		}
		text, err := desk.Answer(ctx, args[0].String(), []byte(args[1].String()))
		if err != nil {
			return failure(err)
		}
		return string(text)
	})
	js.Global().Call("provide", "engine", answer)
	select {} // the page calls
}

// module hands over the filter's bytes, and says of both.
func module(ctx context.Context, desk *answers.Desk, bytes js.Value) string {
	wasm := make([]byte, bytes.Length())
	js.CopyBytesToGo(wasm, bytes)
	if err := desk.Module(ctx, wasm); err != nil {
		return failure(err)
	}
	text, err := json.Marshal(map[string]string{"version": version, "sha256": desk.Digest()})
	if err != nil {
		return failure(err)
	}
	return string(text)
}

func failure(err error) string {
	text, err := json.Marshal(map[string]string{"problem": err.Error(), "error": err.Error()})
	if err != nil {
		return `{"problem": "the answer is not JSON", "error": "the answer is not JSON"}`
	}
	return string(text)
}
