const o=()=>null,t=o;export{t as ReactMonacoEditor,o as default};
