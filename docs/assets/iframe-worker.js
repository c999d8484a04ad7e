/* Browsers refuse to start a Worker on a page that is opened from disk. This one runs in an iframe instead, so that the
   search works there as well. On a page from a server nothing changes. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.queue = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inner = this.frame.contentWindow
      const script = inner.document.createElement("script")
      inner.postMessage = data => this.deliver(data)
      inner.importScripts = (...urls) => urls.reduce(
        (done, next) => done.then(() => new Promise((resolve, reject) => {
          const part = inner.document.createElement("script")
          Object.assign(part, { src: new URL(next, url).href, onload: resolve, onerror: reject })
          inner.document.body.append(part)
        })), Promise.resolve())
      inner.parent_url = url
      script.src = url
      script.onload = () => { this.ready = true; this.queue.splice(0).forEach(data => this.postMessage(data)) }
      inner.document.body.append(script)
    }
    deliver(data) {
      const event = new MessageEvent("message", { data })
      this.dispatchEvent(event)
      if (this.onmessage) this.onmessage(event)
    }
    postMessage(data) {
      if (!this.ready) { this.queue.push(data); return }
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }
    terminate() { this.frame.remove() }
  }
}
