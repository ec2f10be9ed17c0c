//go:build js && wasm

// Command import is what the playground's page loads when its import is used first: the API types of Ingress,
// VirtualService and HTTPRoute weigh more than all else together.
package main

import (
	"encoding/json"
	"syscall/js"

	"github.com/wasm-rewrite/wasm-rewrite/playground/moving"
)

func main() {
	answer := js.FuncOf(func(_ js.Value, args []js.Value) any {
		text, err := json.Marshal(moving.Answer([]byte(args[1].String())))
		if err != nil {
			return `{"problem": "the answer is not JSON"}`
		}
		return string(text)
	})
	js.Global().Call("provide", "import", answer)
	select {} // the page calls
}
